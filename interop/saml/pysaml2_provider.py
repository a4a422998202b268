"""A service provider on PyPI `pysaml2`, which signs and verifies with Debian's `xmlsec1`."""

import shutil
import time

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.metadata import create_metadata_string
from saml2.saml import NAMEID_FORMAT_UNSPECIFIED
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from service_provider import CERTIFICATE, KEY, Page, Redirect, Refused, serve

BINDINGS = {"redirect": BINDING_HTTP_REDIRECT, "post": BINDING_HTTP_POST}
#: Seconds that a logout may take.
LOGOUT_WITHIN = 60


class Provider:
    def __init__(self, base_url):
        self.base_url = base_url
        self.session = None
        self.client = None
        self.identity_provider = None
        self.sent = {}
        self.sign_requests = True

    def describe(self, wanted):
        want_signed = wanted.get("wantSigned", "both")
        settings = {
            "entityid": f"{self.base_url}/metadata",
            "key_file": KEY,
            "cert_file": CERTIFICATE,
            "encryption_keypairs": [{"key_file": KEY, "cert_file": CERTIFICATE}],
            "xmlsec_binary": shutil.which("xmlsec1"),
            "delete_tmpfiles": True,
            "allow_unknown_attributes": True,
            "accepted_time_diff": 0,
            "signing_algorithm": SIG_RSA_SHA256,
            "digest_algorithm": DIGEST_SHA256,
            "service": {
                "sp": {
                    "endpoints": {
                        "assertion_consumer_service": [(f"{self.base_url}/acs", BINDING_HTTP_POST)],
                        "single_logout_service": [
                            (f"{self.base_url}/slo", BINDING_HTTP_REDIRECT),
                            (f"{self.base_url}/slo", BINDING_HTTP_POST),
                        ],
                    },
                    "name_id_format": [NAMEID_FORMAT_UNSPECIFIED],
                    "name_id_policy_format": NAMEID_FORMAT_UNSPECIFIED,
                    "allow_unsolicited": True,
                    "authn_requests_signed": self.sign_requests,
                    "logout_requests_signed": True,
                    "logout_responses_signed": True,
                    "want_assertions_signed": want_signed != "response",
                    "want_response_signed": want_signed != "assertion",
                }
            },
        }
        if "metadata" in wanted:
            settings["metadata"] = {"inline": [wanted["metadata"]]}
        return settings

    def configure(self, wanted):
        self.sign_requests = wanted.get("signRequests") != "false"
        self.client = Saml2Client(config=SPConfig().load(self.describe(wanted)))
        (self.identity_provider,) = self.client.metadata.with_descriptor("idpsso")
        self.session = None
        return {"entityId": self.identity_provider}

    def metadata(self):
        config = SPConfig().load(self.describe({}))
        return create_metadata_string(None, config=config, sign=False).decode()

    @staticmethod
    def answer(http):
        location = dict(http["headers"]).get("Location")
        return Redirect(location) if location else Page(http["data"])

    def login(self, query):
        options = {name: "true" for name, told in (("force_authn", "forceAuthn"), ("is_passive", "passive")) if told in query}
        request, http = self.client.prepare_for_authenticate(
            self.identity_provider,
            relay_state=query.get("relayState", ""),
            binding=BINDINGS[query.get("binding", "redirect")],
            sign=self.sign_requests,
            sigalg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
            **options,
        )
        self.sent[request] = "/"
        return self.answer(http)

    def acs(self, form):
        response = self.client.parse_authn_request_response(form["SAMLResponse"], BINDING_HTTP_POST, self.sent)
        if response is None:
            raise Refused("the response cannot be read")
        self.session = response.name_id
        (statement,) = response.assertion.authn_statement
        return {
            "nameId": response.name_id.text,
            "nameIdFormat": response.name_id.format,
            "sessionIndex": statement.session_index,
            "sessionNotOnOrAfter": statement.session_not_on_or_after,
            "authnContext": statement.authn_context.authn_context_class_ref.text,
            "inResponseTo": response.in_response_to,
            "attributes": response.ava,
            "relayState": form.get("RelayState"),
        }

    def logout(self, query):
        expire = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + LOGOUT_WITHIN))
        sent = self.client.do_logout(
            self.session, [self.identity_provider], None, expire, sign=True, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256
        )
        _, http = sent[self.identity_provider]
        return self.answer(http)

    def slo(self, query, query_string, form):
        told, binding = (form, BINDING_HTTP_POST) if form else (query, BINDING_HTTP_REDIRECT)
        if "SAMLResponse" in told:
            response = self.client.parse_logout_request_response(told["SAMLResponse"], binding)
            if response is None or not response.status_ok():
                raise Refused("the logout was not answered with success")
            self.session = None
            return {"loggedOut": True, "relayState": told.get("RelayState")}
        http = self.client.handle_logout_request(
            told["SAMLRequest"],
            self.session,
            binding,
            sign=True,
            sign_alg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
            relay_state=told.get("RelayState"),
            sigalg=told.get("SigAlg"),
            signature=told.get("Signature"),
        )
        self.session = None
        return self.answer(http)


serve(Provider)
