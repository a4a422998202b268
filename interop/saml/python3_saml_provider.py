"""A service provider on PyPI `python3-saml`."""

import base64
import html
from datetime import datetime, timezone
from pathlib import Path

from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request
from onelogin.saml2.constants import OneLogin_Saml2_Constants
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from service_provider import CERTIFICATE, KEY, Page, Redirect, Refused, serve


class Provider:
    def __init__(self, base_url):
        self.base_url = base_url
        self.host = base_url.removeprefix("http://")
        self.key = Path(KEY).read_text()
        self.certificate = Path(CERTIFICATE).read_text()
        self.session = None
        self.sent = set()
        self.settings = self.with_identity_provider({}, {})

    def with_identity_provider(self, told, wanted):
        want_signed = wanted.get("wantSigned", "both")
        ours = {
            "strict": True,
            "sp": {
                "entityId": f"{self.base_url}/metadata",
                "assertionConsumerService": {"url": f"{self.base_url}/acs"},
                "singleLogoutService": {"url": f"{self.base_url}/slo"},
                "NameIDFormat": OneLogin_Saml2_Constants.NAMEID_UNSPECIFIED,
                "x509cert": self.certificate,
                "privateKey": self.key,
            },
            "security": {
                "authnRequestsSigned": wanted.get("signRequests") != "false",
                "logoutRequestSigned": True,
                "logoutResponseSigned": True,
                "wantMessagesSigned": want_signed != "assertion",
                "wantAssertionsSigned": want_signed != "response",
                "wantAssertionsEncrypted": wanted.get("wantEncrypted") == "true",
                "requestedAuthnContext": False,
                "wantAttributeStatement": False,
                "rejectDeprecatedAlgorithm": True,
                "signatureAlgorithm": OneLogin_Saml2_Constants.RSA_SHA256,
                "digestAlgorithm": OneLogin_Saml2_Constants.SHA256,
            },
        }
        if told:
            ours = OneLogin_Saml2_IdPMetadataParser.merge_settings(told, ours)
        return OneLogin_Saml2_Settings(ours, sp_validation_only=not told)

    def configure(self, wanted):
        told = OneLogin_Saml2_IdPMetadataParser.parse(wanted["metadata"].encode())
        told.pop("sp", None)
        self.settings = self.with_identity_provider(told, wanted)
        self.session = None
        return {"entityId": self.settings.get_idp_data()["entityId"]}

    def toolkit(self, path, query=None, form=None, query_string=""):
        request = {
            "https": "off",
            "http_host": self.host,
            "script_name": path,
            "get_data": query or {},
            "post_data": form or {},
            "query_string": query_string,
            # The signature of a query is verified on its bytes, not on another encoding of them.
            "validate_signature_from_qs": True,
        }
        return OneLogin_Saml2_Auth(request, self.settings)

    def metadata(self):
        return self.settings.get_sp_metadata().decode()

    def login(self, query):
        options = {"force_authn": "forceAuthn" in query, "is_passive": "passive" in query}
        relay_state = query.get("relayState", "")
        if query.get("binding") != "post":
            auth = self.toolkit("/login")
            url = auth.login(return_to=relay_state, set_nameid_policy=False, **options)
            self.sent.add(auth.get_last_request_id())
            return Redirect(url)
        # The library sends by redirect only; it writes and signs messages for other bindings all the same.
        request = OneLogin_Saml2_Authn_Request(self.settings, set_nameid_policy=False, **options)
        self.sent.add(request.get_id())
        xml = request.get_xml()
        if self.settings.get_security_data()["authnRequestsSigned"]:
            xml = OneLogin_Saml2_Utils.add_sign(
                xml, self.key, self.certificate, sign_algorithm=OneLogin_Saml2_Constants.RSA_SHA256
            )
        xml = xml if isinstance(xml, bytes) else xml.encode()
        fields = {"SAMLRequest": base64.b64encode(xml).decode(), "RelayState": relay_state}
        inputs = "".join(f'<input type="hidden" name="{n}" value="{html.escape(v)}">' for n, v in fields.items())
        action = html.escape(self.settings.get_idp_sso_url())
        return Page(f'<!doctype html><form method="post" action="{action}">{inputs}</form>')

    def acs(self, form):
        auth = self.toolkit("/acs", form=form)
        answered = OneLogin_Saml2_Response(self.settings, form["SAMLResponse"]).get_in_response_to()
        if answered is not None and answered not in self.sent:
            raise Refused(f"no request was sent with the id {answered}")
        auth.process_response(request_id=answered)
        if auth.get_errors() or not auth.is_authenticated():
            raise Refused(f"{auth.get_errors()} {auth.get_last_error_reason()}")
        self.sent.discard(answered)
        self.session = (auth.get_nameid(), auth.get_nameid_format(), auth.get_session_index())
        ends = auth.get_session_expiration()
        return {
            "nameId": auth.get_nameid(),
            "nameIdFormat": auth.get_nameid_format(),
            "sessionIndex": auth.get_session_index(),
            "sessionNotOnOrAfter": ends and datetime.fromtimestamp(ends, timezone.utc).isoformat(),
            "authnContext": auth.get_last_authn_contexts()[0],
            "inResponseTo": auth.get_last_response_in_response_to(),
            "attributes": auth.get_attributes(),
            "relayState": form.get("RelayState"),
        }

    def logout(self, query):
        name_id, name_id_format, session_index = self.session
        auth = self.toolkit("/logout")
        url = auth.logout(
            return_to=query.get("relayState", ""),
            name_id=name_id,
            name_id_format=name_id_format,
            session_index=session_index,
        )
        self.sent.add(auth.get_last_request_id())
        return Redirect(url)

    def slo(self, query, query_string, form):
        auth = self.toolkit("/slo", query=form or query, query_string=query_string)

        def end():
            self.session = None

        url = auth.process_slo(delete_session_cb=end)
        if auth.get_errors():
            raise Refused(f"{auth.get_errors()} {auth.get_last_error_reason()}")
        return Redirect(url) if url else {"loggedOut": True, "relayState": (form or query).get("RelayState")}


serve(Provider)
