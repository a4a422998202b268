"""The vendor's Python SDK against a running server; `sdks.test.mjs` starts both and says where they are.

Version 3 validates every answer with pydantic. Its own faults, which the vendor's server meets too, are passed by: it types
`isUsed` of a hook key as a string where the wire has a boolean, so keys are not made or listed here; its models of `OAUTH`
channels know only `authType`; an answer to `execute` never fits exactly one of its models; it reads attribute statements of SAML apps
as empty, so that an app that was got cannot be put back.
"""

import base64
import hashlib
import hmac
import json
import os
import ssl
import struct
import time
import unittest
import urllib.error
import urllib.request

from okta import models
from okta.client import Client
from pydantic import Field

SERVER, TOKEN, SERVICE = (os.environ[f"INTEROP_{name}"] for name in ("SERVER", "TOKEN", "SERVICE"))
PASSCODE_HOOK = "com.okta.telephony.provider"
PASSWORD_HOOK = "com.okta.user.credential.password.import"
OLD_PASSWORD = "U*U"
TOKEN_HOOK = "com.okta.oauth2.tokens.transform"


def channel(secret):
    config = models.InlineHookHttpConfigCreate(
        uri=SERVICE,
        method="POST",
        headers=[models.InlineHookChannelConfigHeaders(key="X-Tenant", value="north")],
        auth_scheme=models.InlineHookChannelConfigAuthSchemeBody(type="HEADER", key="Authorization", value=secret),
    )
    return models.InlineHookChannelHttpCreate(type="HTTP", version="1.0.0", config=config)


def authenticate(username, password):
    """Status, and what the answer says."""
    body = json.dumps({"username": username, "password": password}).encode()
    request = urllib.request.Request(f"{SERVER}/api/v1/authn", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return answer.status, json.load(answer)["status"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["errorCode"]


def hashes():
    """The hash of the old password, by each algorithm."""
    salt = b"salt of the old system"
    base = lambda value: base64.b64encode(value).decode()
    for algorithm in ["MD5", "SHA-1", "SHA-256", "SHA-512"]:
        digest = hashlib.new(algorithm.replace("-", ""), OLD_PASSWORD.encode() + salt).digest()
        yield {"algorithm": algorithm, "salt": base(salt), "saltOrder": "POSTFIX", "value": base(digest)}
    key = hashlib.pbkdf2_hmac("sha512", OLD_PASSWORD.encode(), salt, 4096, 64)
    pbkdf2 = {"algorithm": "PBKDF2", "salt": base(salt), "iterationCount": 4096, "keySize": 64}
    yield {**pbkdf2, "digestAlgorithm": "SHA512_HMAC", "value": base(key)}
    # The first test vector of crypt_blowfish.
    salt, value = "CCCCCCCCCCCCCCCCCCCCC.", "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
    yield {"algorithm": "BCRYPT", "workFactor": 5, "salt": salt, "value": value}


def last_code():
    """The passcode that the service received last."""
    # Its certificate is of an authority of this run.
    handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    with urllib.request.build_opener(*handlers).open(SERVICE) as answer:
        return json.load(answer)["data"]["messageProfile"]["otpCode"]


def shown_by(shared_secret, seconds=0):
    """What an authenticator app shows so many seconds from now (RFC 6238)."""
    step = struct.pack(">Q", int(time.time() + seconds) // 30)
    tag = hmac.digest(base64.b32decode(shared_secret), step, "sha1")
    (number,) = struct.unpack_from(">I", tag, tag[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


# The SDK's own models of these two bodies have no passcode.
class Activation(models.UserFactorActivateRequest):
    pass_code: str = Field(alias="passCode")


class Verification(models.UserFactorVerifyRequest):
    pass_code: str = Field(alias="passCode")


class Sdk(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.client = Client({"orgUrl": SERVER, "token": TOKEN, "cache": {"enabled": False}})

    async def answer(self, call):
        """What the call returns, as the SDK's model."""
        *answer, _, error = await call
        self.assertIsNone(error)
        return answer[0]

    async def refused(self, call, status, code, *causes):
        *_, error = await call
        self.assertEqual(type(error).__name__, "OktaAPIError", error)
        self.assertEqual((error.status, error.error_code), (status, code), error)
        self.assertEqual(tuple(cause["errorSummary"].split(":")[0] for cause in error.error_causes), causes)

    async def create(self, name):
        hook = models.InlineHookCreate(name=name, type=TOKEN_HOOK, version="1.0.0", channel=channel("from-python"))
        return await self.answer(self.client.create_inline_hook(hook))

    async def test_an_http_hook_lives_from_create_to_delete(self):
        created = await self.create("Python")
        self.assertIs(created.status, models.InlineHookStatus.ACTIVE)
        self.assertIsInstance(created.channel, models.InlineHookChannelHttp)
        self.assertEqual(created.channel.config.headers[0].value, "north")
        self.assertEqual(created.links.execute.hints.allow[0].value, "POST")
        got = await self.answer(self.client.get_inline_hook(created.id))
        self.assertEqual((got.id, got.created), (created.id, created.created))
        alone = await self.answer(self.client.list_inline_hooks(type=TOKEN_HOOK))
        self.assertIn(created.id, [hook.id for hook in alone])
        await self.answer(self.client.list_inline_hooks())

        replace = models.InlineHookReplace(name="Python, replaced", version="1.0.0", channel=channel("from-python"))
        replaced = await self.answer(self.client.replace_inline_hook(created.id, replace))
        self.assertEqual(replaced.name, "Python, replaced")
        merge = models.InlineHookReplace(name="Python, merged")
        merged = await self.answer(self.client.update_inline_hook(created.id, merge))
        self.assertEqual((merged.name, merged.channel.config.uri), ("Python, merged", SERVICE))

        document = {"eventId": "interop", "eventType": TOKEN_HOOK, "source": "interop", "data": {}}
        request = models.TokenRequest.from_dict(document)
        with self.assertRaisesRegex(ValueError, "Multiple matches"):
            await self.client.execute_inline_hook(created.id, models.ExecuteInlineHookRequest(request))

        await self.refused(self.client.delete_inline_hook(created.id), 400, "E0000001", "status")
        inactive = await self.answer(self.client.deactivate_inline_hook(created.id))
        self.assertIs(inactive.status, models.InlineHookStatus.INACTIVE)
        active = await self.answer(self.client.activate_inline_hook(created.id))
        self.assertIs(active.status, models.InlineHookStatus.ACTIVE)
        await self.answer(self.client.deactivate_inline_hook(created.id))
        await self.answer(self.client.delete_inline_hook(created.id))
        await self.refused(self.client.get_inline_hook(created.id), 404, "E0000007")

    async def test_users_come_with_hashes_or_the_password_hook_and_sign_in(self):
        hook = models.InlineHookCreate(
            name="Python, passwords", type=PASSWORD_HOOK, version="1.0.0", channel=channel("from-python")
        )
        hook = await self.answer(self.client.create_inline_hook(hook))
        for password in [*({"hash": one} for one in hashes()), {"hook": {"type": "default"}}]:
            login = f"{password.get('hash', {}).get('algorithm', 'hook')}@python.example".lower()
            profile = {"login": login, "email": login, "firstName": "Ada", "lastName": "Okoye"}
            body = models.CreateUserRequest.from_dict({"profile": profile, "credentials": {"password": password}})
            user = await self.answer(self.client.create_user(body, activate=True))
            self.assertEqual(user.credentials.provider.type.value, "IMPORT" if "hook" in password else "OKTA", login)
            self.assertEqual(authenticate(login, "wrong"), (401, "E0000004"), login)
            self.assertEqual(authenticate(login, OLD_PASSWORD), (200, "SUCCESS"), login)
            got = await self.answer(self.client.get_user(user.id))
            self.assertEqual(got.credentials.provider.type.value, "OKTA", login)
        await self.answer(self.client.deactivate_inline_hook(hook.id))
        await self.answer(self.client.delete_inline_hook(hook.id))

    async def test_a_phone_and_an_authenticator_app_are_enrolled_activated_verified_and_reset(self):
        hook = models.InlineHookCreate(
            name="Python, passcodes", type=PASSCODE_HOOK, version="1.0.0", channel=channel("from-python")
        )
        hook = await self.answer(self.client.create_inline_hook(hook))
        login = "mei@python-factors.example"
        profile = {"login": login, "email": login, "firstName": "Mei", "lastName": "Tanaka"}
        user = await self.answer(self.client.create_user(models.CreateUserRequest.from_dict({"profile": profile})))
        supported = await self.answer(self.client.list_supported_factors(user.id))
        self.assertEqual([kind.status.value for kind in supported], ["NOT_SETUP"] * 3)
        activation = lambda text: Activation(passCode=text)
        verification = lambda text: Verification(passCode=text)

        phone = {"factorType": "sms", "provider": "OKTA", "profile": {"phoneNumber": "+2348037654321"}}
        sms = await self.answer(self.client.enroll_factor(user.id, models.UserFactorSMS.from_dict(phone)))
        self.assertEqual((sms.status.value, sms.profile.phone_number), ("PENDING_ACTIVATION", "+2348037654321"))
        await self.answer(self.client.activate_factor(user.id, sms.id, activation(last_code())))
        self.assertEqual((await self.answer(self.client.get_factor(user.id, sms.id))).status.value, "ACTIVE")
        # Once more without a passcode, so that the next one need not wait for half a minute.
        await self.answer(self.client.unenroll_factor(user.id, sms.id))
        again = self.client.enroll_factor(user.id, models.UserFactorSMS.from_dict(phone), activate=True)
        sms = await self.answer(again)
        challenge = await self.answer(self.client.verify_factor(user.id, sms.id))
        self.assertEqual(challenge.factor_result.value, "CHALLENGE")
        passcode = last_code()
        verified = await self.answer(self.client.verify_factor(user.id, sms.id, body=verification(passcode)))
        self.assertEqual(verified.factor_result.value, "SUCCESS")
        used = self.client.verify_factor(user.id, sms.id, body=verification(passcode))
        await self.refused(used, 403, "E0000068", "passCode")

        app = {"factorType": "token:software:totp", "provider": "GOOGLE"}
        totp = await self.answer(self.client.enroll_factor(user.id, models.UserFactorTokenSoftwareTOTP.from_dict(app)))
        secret = totp.embedded["activation"]["sharedSecret"]
        await self.answer(self.client.activate_factor(user.id, totp.id, activation(shown_by(secret))))
        verified = self.client.verify_factor(user.id, totp.id, body=verification(shown_by(secret, 30)))
        self.assertEqual((await self.answer(verified)).factor_result.value, "SUCCESS")
        listed = await self.answer(self.client.list_factors(user.id))
        self.assertEqual([factor.id for factor in listed], [sms.id, totp.id])
        await self.answer(self.client.reset_factors(user.id))
        self.assertEqual(await self.answer(self.client.list_factors(user.id)), [])
        await self.answer(self.client.deactivate_inline_hook(hook.id))
        await self.answer(self.client.delete_inline_hook(hook.id))

    async def test_what_is_refused_is_an_error_with_code_and_causes(self):
        hook = models.InlineHookCreate(type=TOKEN_HOOK)
        await self.refused(self.client.create_inline_hook(hook), 400, "E0000001", "name", "version", "channel")
        await self.create("Python, taken")
        taken = models.InlineHookCreate(name="Python, taken", type=TOKEN_HOOK, version="1.0.0", channel=channel("x"))
        await self.refused(self.client.create_inline_hook(taken), 400, "E0000001", "name")
        stranger = Client({"orgUrl": SERVER, "token": "wrong"})
        await self.refused(stranger.get_inline_hook("cal"), 401, "E0000011")

    async def test_a_hook_key_shows_its_public_half_and_is_deleted(self):
        key_id = os.environ["INTEROP_PUBLIC_KEY"]
        key = await self.answer(self.client.get_public_key(key_id))
        self.assertEqual((key.kid, key.kty), (key_id, "RSA"))
        await self.answer(self.client.delete_hook_key(os.environ["INTEROP_HOOK_KEY"]))
        await self.refused(self.client.get_public_key(key_id), 404, "E0000007")

    async def test_the_system_log_is_typed(self):
        events = await self.answer(self.client.list_log_events(limit=100))
        created = next(event for event in events if event.event_type == "inline_hook.created")
        self.assertEqual((created.severity, created.outcome.result), ("INFO", "SUCCESS"))
        self.assertEqual(created.target[0].type, "InlineHook")

    async def test_a_rule_of_an_authorization_server_names_a_hook(self):
        hook = await self.create("Python, on a rule")
        audiences = ["https://orders.example.com"]
        server = models.AuthorizationServer(name="Python", description="By the SDK", audiences=audiences)
        server = await self.answer(self.client.create_authorization_server(server))
        await self.answer(self.client.list_authorization_servers())
        scope = models.OAuth2Scope(name="orders.read", description="Read orders")
        await self.answer(self.client.create_o_auth2_scope(server.id, scope))
        await self.answer(self.client.list_o_auth2_scopes(server.id))
        policy = models.AuthorizationServerPolicy.from_dict({
            "type": "OAUTH_AUTHORIZATION_POLICY",
            "name": "Everybody",
            "description": "Every client",
            "status": "ACTIVE",
            "priority": 1,
            "conditions": {"clients": {"include": ["ALL_CLIENTS"]}},
        })
        policy = await self.answer(self.client.create_authorization_server_policy(server.id, policy))
        rule = models.AuthorizationServerPolicyRuleRequest.from_dict({
            "type": "RESOURCE_ACCESS",
            "name": "Every grant",
            "status": "ACTIVE",
            "priority": 1,
            "conditions": {
                "people": {"groups": {"include": ["EVERYONE"]}, "users": {"include": []}},
                "grantTypes": {"include": ["client_credentials"]},
                "scopes": {"include": ["*"]},
            },
            "actions": {"token": {"accessTokenLifetimeMinutes": 60, "inlineHook": {"id": hook.id}}},
        })
        where = (server.id, policy.id)
        created = await self.answer(self.client.create_authorization_server_policy_rule(*where, rule))
        self.assertEqual(created.actions.token.inline_hook.id, hook.id)
        rule.actions.token.access_token_lifetime_minutes = 30
        put = await self.answer(self.client.replace_authorization_server_policy_rule(*where, created.id, rule))
        self.assertEqual(put.actions.token.access_token_lifetime_minutes, 30)
        listed = await self.answer(self.client.list_authorization_server_policy_rules(*where))
        self.assertEqual([one.id for one in listed], [created.id])

    async def test_a_saml_app_with_a_hook_lives_from_create_to_delete(self):
        hook = models.InlineHookCreate(
            name="Python, on an app", type="com.okta.saml.tokens.transform", version="1.0.0", channel=channel("x")
        )
        hook = await self.answer(self.client.create_inline_hook(hook))
        acs = "https://benefits.example.com/acs"
        told = {
            "ssoAcsUrl": acs,
            "recipient": acs,
            "destination": acs,
            "audience": "urn:example:benefits",
            "subjectNameIdTemplate": "${user.userName}",
            "subjectNameIdFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            "responseSigned": True,
            "assertionSigned": True,
            "signatureAlgorithm": "RSA_SHA256",
            "digestAlgorithm": "SHA256",
            "honorForceAuthn": True,
            "authnContextClassRef": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            "attributeStatements": [
                {
                    "type": "EXPRESSION",
                    "name": "mail",
                    "namespace": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic",
                    "values": ["user.email"],
                }
            ],
            "inlineHooks": [{"id": hook.id}],
        }
        app = models.SamlApplication.from_dict(
            {"label": "Python", "signOnMode": "SAML_2_0", "settings": {"signOn": told}}
        )
        created = await self.answer(self.client.create_application(app))
        self.assertIsInstance(created, models.SamlApplication)
        self.assertEqual([one.id for one in created.settings.sign_on.inline_hooks], [hook.id])
        self.assertTrue(created.credentials.signing.kid)
        self.assertEqual(len(created.settings.sign_on.attribute_statements), 1)
        got = await self.answer(self.client.get_application(created.id))
        self.assertEqual((got.id, got.name), (created.id, created.name))
        self.assertIn(created.id, [one.id for one in await self.answer(self.client.list_applications(q="Pyth"))])

        app.label = "Python, changed"
        put = await self.answer(self.client.replace_application(created.id, app))
        self.assertEqual((put.label, put.settings.sign_on.inline_hooks[0].id), ("Python, changed", hook.id))
        keys = await self.answer(self.client.list_application_keys(created.id))
        self.assertEqual([key.kid for key in keys], [created.credentials.signing.kid])

        group = models.AddGroupRequest.from_dict({"profile": {"name": "Python"}})
        group = await self.answer(self.client.add_group(group))
        await self.answer(self.client.assign_group_to_application(created.id, group.id))
        groups = await self.answer(self.client.list_application_group_assignments(created.id))
        self.assertEqual([one.id for one in groups], [group.id])

        await self.answer(self.client.deactivate_application(created.id))
        await self.answer(self.client.delete_application(created.id))
        await self.refused(self.client.get_application(created.id), 404, "E0000007")

    async def test_a_profile_enrollment_policy_with_a_hook_lives_from_create_to_delete(self):
        hook = models.InlineHookCreate(
            name="Python, on a policy", type="com.okta.user.pre-registration", version="1.0.0", channel=channel("x")
        )
        hook = await self.answer(self.client.create_inline_hook(hook))
        policy = {"type": "PROFILE_ENROLLMENT", "name": "Python", "status": "ACTIVE"}
        policy = models.ProfileEnrollmentPolicy.from_dict(policy)
        created = await self.answer(self.client.create_policy(policy))
        self.assertEqual((created.type, created.name, created.system), ("PROFILE_ENROLLMENT", "Python", False))
        listed = await self.answer(self.client.list_policies("PROFILE_ENROLLMENT"))
        self.assertIn(created.id, [one.id for one in listed])

        [rule] = await self.answer(self.client.list_policy_rules(created.id))
        self.assertIsInstance(rule, models.ProfileEnrollmentPolicyRule)
        rule.actions = models.ProfileEnrollmentPolicyRuleActions.from_dict({
            "profileEnrollment": {
                "unknownUserAction": "REGISTER",
                "activationRequirements": {"emailVerification": False},
                "profileAttributes": [{"name": "email", "label": "Email", "required": True}],
                "preRegistrationInlineHooks": [{"inlineHookId": hook.id}],
            }
        })
        put = await self.answer(self.client.replace_policy_rule(created.id, rule.id, rule))
        action = put.actions.profile_enrollment
        self.assertEqual([one.inline_hook_id for one in action.pre_registration_inline_hooks], [hook.id])
        self.assertEqual([one.name for one in action.profile_attributes], ["email"])
        self.assertIs(action.activation_requirements.email_verification, False)
        got = await self.answer(self.client.get_policy_rule(created.id, rule.id))
        self.assertEqual(got.actions, put.actions)

        await self.refused(self.client.deactivate_inline_hook(hook.id), 400, "E0000001", "status")
        await self.answer(self.client.deactivate_policy(created.id))
        await self.answer(self.client.delete_policy(created.id))
        await self.refused(self.client.get_policy(created.id), 404, "E0000007")
        await self.answer(self.client.deactivate_inline_hook(hook.id))
        await self.answer(self.client.delete_inline_hook(hook.id))


if __name__ == "__main__":
    unittest.main()
