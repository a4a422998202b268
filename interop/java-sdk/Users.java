// Creates users as a customer's migration would, with the builder of the vendor's SDK: with a hash of the old system, and with the
// password import hook. Reads each back, and prints a line of JSON for it.
//
// Arguments: the server, its API token, and a password as its hash's salt and value in Base64.

import com.okta.sdk.authc.credentials.TokenClientCredentials;
import com.okta.sdk.client.Clients;
import com.okta.sdk.resource.api.UserApi;
import com.okta.sdk.resource.model.User;
import com.okta.sdk.resource.model.UserGetSingleton;
import com.okta.sdk.resource.user.UserBuilder;

public final class Users {
    public static void main(String[] arguments) throws Exception {
        // The SDK refuses `http://` otherwise.
        System.setProperty("okta.testing.disableHttpsCheck", "true");
        var credentials = new TokenClientCredentials(arguments[1]);
        var api = new UserApi(Clients.builder().setOrgUrl(arguments[0]).setClientCredentials(credentials).build());
        create(api, "hash@java.example", builder("hash@java.example").setSha256PasswordHash(arguments[3], arguments[2], "PREFIX"));
        create(api, "hook@java.example", builder("hook@java.example").usePasswordHookForImport());
    }

    private static UserBuilder builder(String login) {
        return UserBuilder.instance().setLogin(login).setEmail(login).setFirstName("Ada").setLastName("Okoye").setActive(true);
    }

    private static void create(UserApi api, String login, UserBuilder builder) throws Exception {
        User created = builder.buildAndCreate(api);
        UserGetSingleton got = api.getUser(login, null, null);
        if (!created.getId().equals(got.getId())) {
            throw new IllegalStateException(created + " is not " + got);
        }
        System.out.printf(
            "{\"id\": \"%s\", \"login\": \"%s\", \"status\": \"%s\", \"provider\": \"%s\"}%n",
            got.getId(), got.getProfile().getLogin(), got.getStatus(), got.getCredentials().getProvider().getType());
    }
}
