// A service provider on Maven's `com.onelogin:java-saml-core`, which signs, verifies and decrypts with Apache Santuario.
// `node.mjs` says what each route does. Run as `java -cp LIBRARIES ServiceProvider.java`.

import com.onelogin.saml2.authn.AuthnRequest;
import com.onelogin.saml2.authn.AuthnRequestParams;
import com.onelogin.saml2.authn.SamlResponse;
import com.onelogin.saml2.http.HttpRequest;
import com.onelogin.saml2.logout.LogoutRequest;
import com.onelogin.saml2.logout.LogoutRequestParams;
import com.onelogin.saml2.logout.LogoutResponse;
import com.onelogin.saml2.logout.LogoutResponseParams;
import com.onelogin.saml2.settings.IdPMetadataParser;
import com.onelogin.saml2.settings.Saml2Settings;
import com.onelogin.saml2.settings.SettingsBuilder;
import com.onelogin.saml2.util.Constants;
import com.onelogin.saml2.util.Util;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

public final class ServiceProvider {
  private static final Set<String> SENT = ConcurrentHashMap.newKeySet();
  private static String baseUrl;
  private static Saml2Settings settings;
  private static Map<String, String> session;

  private static final class Refused extends Exception {
    Refused(String why) {
      super(why);
    }
  }

  public static void main(String[] arguments) throws Exception {
    HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    baseUrl = "http://127.0.0.1:" + server.getAddress().getPort();
    settings = settings(Map.of(), Map.of());
    server.createContext("/", ServiceProvider::serve);
    server.start();
    System.out.println("listening on " + baseUrl);
  }

  private static Saml2Settings settings(Map<String, Object> identityProvider, Map<String, String> told) throws IOException {
    boolean sign = !"false".equals(told.get("signRequests"));
    String signed = told.getOrDefault("wantSigned", "both");
    Map<String, Object> values = new HashMap<>();
    values.put("onelogin.saml2.strict", true);
    values.put("onelogin.saml2.sp.entityid", baseUrl + "/metadata");
    values.put("onelogin.saml2.sp.assertion_consumer_service.url", baseUrl + "/acs");
    values.put("onelogin.saml2.sp.single_logout_service.url", baseUrl + "/slo");
    values.put("onelogin.saml2.sp.nameidformat", Constants.NAMEID_UNSPECIFIED);
    values.put("onelogin.saml2.sp.x509cert", Files.readString(Path.of(System.getenv("SP_CERTIFICATE"))));
    values.put("onelogin.saml2.sp.privatekey", Files.readString(Path.of(System.getenv("SP_KEY"))));
    values.put("onelogin.saml2.security.authnrequest_signed", sign);
    values.put("onelogin.saml2.security.logoutrequest_signed", true);
    values.put("onelogin.saml2.security.logoutresponse_signed", true);
    values.put("onelogin.saml2.security.want_messages_signed", !signed.equals("assertion"));
    values.put("onelogin.saml2.security.want_assertions_signed", !signed.equals("response"));
    values.put("onelogin.saml2.security.want_assertions_encrypted", "true".equals(told.get("wantEncrypted")));
    values.put("onelogin.saml2.security.want_xml_validation", true);
    values.put("onelogin.saml2.security.reject_deprecated_alg", true);
    values.put("onelogin.saml2.security.signature_algorithm", Constants.RSA_SHA256);
    values.put("onelogin.saml2.security.digest_algorithm", Constants.SHA256);
    values.putAll(identityProvider);
    Saml2Settings built = new SettingsBuilder().fromValues(values).build();
    built.setSPValidationOnly(identityProvider.isEmpty());
    return built;
  }

  private static void serve(HttpExchange exchange) throws IOException {
    try {
      String rawQuery = exchange.getRequestURI().getRawQuery();
      Map<String, String> query = parse(rawQuery);
      Map<String, String> form = parse(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
      switch (exchange.getRequestURI().getPath()) {
        case "/configure" -> {
          Map<String, Object> read = IdPMetadataParser.parseXML(Util.loadXML(form.get("metadata")));
          settings = settings(read, form);
          session = null;
          json(exchange, Map.of("entityId", settings.getIdpEntityId()));
        }
        case "/metadata" -> send(exchange, 200, "application/samlmetadata+xml", settings.getSPMetadata());
        case "/login" -> login(exchange, query);
        case "/acs" -> json(exchange, acs(form));
        case "/logout" -> logout(exchange, query);
        case "/slo" -> slo(exchange, query, rawQuery);
        case "/session" -> json(exchange, Map.of("signedIn", session != null));
        default -> send(exchange, 404, "text/plain", "");
      }
    } catch (Exception error) {
      send(exchange, 403, "text/plain", error.toString());
    }
  }

  private static void login(HttpExchange exchange, Map<String, String> query) throws Exception {
    boolean force = query.containsKey("forceAuthn");
    boolean passive = query.containsKey("passive");
    AuthnRequest request = new AuthnRequest(settings, new AuthnRequestParams(force, passive, false));
    SENT.add(request.getId());
    String url = settings.getIdpSingleSignOnServiceUrl().toString();
    String relayState = query.getOrDefault("relayState", "");
    if (!"post".equals(query.get("binding"))) {
      boolean sign = settings.getAuthnRequestsSigned();
      redirect(exchange, url, "SAMLRequest", request.getEncodedAuthnRequest(true), relayState, sign);
      return;
    }
    String xml = request.getAuthnRequestXml();
    if (settings.getAuthnRequestsSigned()) {
      Document document = Util.loadXML(xml);
      xml = Util.addSign(document, settings.getSPkey(), settings.getSPcert(), Constants.RSA_SHA256, Constants.SHA256);
    }
    String page = "<!doctype html><form method=\"post\" action=\"" + escape(url) + "\">"
        + "<input type=\"hidden\" name=\"SAMLRequest\" value=\"" + Util.base64encoder(xml) + "\">"
        + "<input type=\"hidden\" name=\"RelayState\" value=\"" + escape(relayState) + "\"></form>";
    send(exchange, 200, "text/html; charset=utf-8", page);
  }

  private static Map<String, Object> acs(Map<String, String> form) throws Exception {
    HttpRequest request = new HttpRequest(baseUrl + "/acs").addParameter("SAMLResponse", form.get("SAMLResponse"));
    SamlResponse response = new SamlResponse(settings, request);
    Element root = Util.loadXML(response.getSAMLResponseXml()).getDocumentElement();
    String answered = root.hasAttribute("InResponseTo") ? root.getAttribute("InResponseTo") : null;
    if (answered != null && !SENT.contains(answered)) {
      throw new Refused("no request was sent with the id " + answered);
    }
    if (!response.isValid(answered)) {
      throw new Refused(response.getError());
    }
    session = new HashMap<>();
    session.put("nameId", response.getNameId());
    session.put("nameIdFormat", response.getNameIdFormat());
    session.put("sessionIndex", response.getSessionIndex());
    Map<String, Object> found = new LinkedHashMap<>(session);
    found.put("sessionNotOnOrAfter", response.getSessionNotOnOrAfter() == null ? null : response.getSessionNotOnOrAfter().toString());
    // The library does not tell the context.
    found.put("authnContext", null);
    found.put("inResponseTo", answered);
    found.put("attributes", response.getAttributes());
    found.put("relayState", form.get("RelayState"));
    return found;
  }

  private static void logout(HttpExchange exchange, Map<String, String> query) throws Exception {
    LogoutRequestParams who = new LogoutRequestParams(
        session.get("sessionIndex"), session.get("nameId"), session.get("nameIdFormat"), null, null);
    LogoutRequest request = new LogoutRequest(settings, who);
    SENT.add(request.getId());
    String url = settings.getIdpSingleLogoutServiceUrl().toString();
    redirect(exchange, url, "SAMLRequest", request.getEncodedLogoutRequest(true), query.getOrDefault("relayState", ""), true);
  }

  private static void slo(HttpExchange exchange, Map<String, String> query, String rawQuery) throws Exception {
    Map<String, List<String>> parameters = new HashMap<>();
    query.forEach((name, value) -> parameters.put(name, List.of(value)));
    HttpRequest request = new HttpRequest(baseUrl + "/slo", parameters, rawQuery);
    if (query.containsKey("SAMLResponse")) {
      LogoutResponse response = new LogoutResponse(settings, request);
      if (!response.isValid() || !Constants.STATUS_SUCCESS.equals(response.getStatus())) {
        throw new Refused(response.getError() + " " + response.getStatus());
      }
      session = null;
      Map<String, Object> done = new LinkedHashMap<>();
      done.put("loggedOut", true);
      done.put("relayState", query.get("RelayState"));
      json(exchange, done);
      return;
    }
    LogoutRequest asked = new LogoutRequest(settings, request);
    if (!asked.isValid()) {
      throw new Refused(asked.getError());
    }
    session = null;
    LogoutResponse answer = new LogoutResponse(settings, new LogoutResponseParams(asked.getId(), Constants.STATUS_SUCCESS));
    String url = settings.getIdpSingleLogoutServiceResponseUrl().toString();
    redirect(exchange, url, "SAMLResponse", answer.getEncodedLogoutResponse(true), query.get("RelayState"), true);
  }

  /** Sends a message by the Redirect binding. */
  private static void redirect(HttpExchange exchange, String url, String name, String message, String relayState, boolean sign)
      throws Exception {
    String query = name + "=" + Util.urlEncoder(message);
    if (relayState != null) {
      query += "&RelayState=" + Util.urlEncoder(relayState);
    }
    if (sign) {
      query += "&SigAlg=" + Util.urlEncoder(Constants.RSA_SHA256);
      byte[] signature = Util.sign(query, settings.getSPkey(), Constants.RSA_SHA256);
      query += "&Signature=" + Util.urlEncoder(Util.base64encoder(signature));
    }
    exchange.getResponseHeaders().set("location", url + (url.contains("?") ? "&" : "?") + query);
    send(exchange, 302, "text/plain", "");
  }

  private static Map<String, String> parse(String text) {
    Map<String, String> found = new HashMap<>();
    for (String pair : text == null || text.isEmpty() ? new String[0] : text.split("&")) {
      String[] halves = pair.split("=", 2);
      found.put(decode(halves[0]), decode(halves.length > 1 ? halves[1] : ""));
    }
    return found;
  }

  private static String decode(String text) {
    return URLDecoder.decode(text, StandardCharsets.UTF_8);
  }

  private static void json(HttpExchange exchange, Map<String, ?> body) throws IOException {
    send(exchange, 200, "application/json", write(body));
  }

  private static String write(Object value) {
    if (value == null || value instanceof Boolean) {
      return String.valueOf(value);
    }
    StringBuilder text = new StringBuilder();
    if (value instanceof Map<?, ?> map) {
      map.forEach((name, one) -> text.append(text.length() == 0 ? "" : ",").append(write(name)).append(":").append(write(one)));
      return "{" + text + "}";
    }
    if (value instanceof Collection<?> list) {
      list.forEach(one -> text.append(text.length() == 0 ? "" : ",").append(write(one)));
      return "[" + text + "]";
    }
    value.toString().chars().forEach(c -> text.append(quoted((char) c)));
    return "\"" + text + "\"";
  }

  private static String quoted(char c) {
    return c < 0x20 || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : String.valueOf(c);
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\"", "&quot;");
  }

  private static void send(HttpExchange exchange, int status, String contentType, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("content-type", contentType);
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }
}
