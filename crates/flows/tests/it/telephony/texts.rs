//! The texts of an org's own template, at providers and in the documents of hooks; and answers that are read leniently.

use tenterhook_contract::id::SmsTemplateId;
use tenterhook_model::{SmsTemplate, SmsTemplateKind};

use super::*;

impl Phone {
    async fn put_template(&self) {
        let now = self.platform.now();
        let template = SmsTemplate {
            id: SmsTemplateId::from_parts(1, [7; 8]),
            name: "Custom".to_owned(),
            kind: SmsTemplateKind::VerifyCode,
            template: "${org.name} | ${code}".to_owned(),
            translations: [
                ("de".to_owned(), "Ihr ${code}".to_owned()),
                ("pt-BR".to_owned(), "Seu ${code} de ${org.name}".to_owned()),
            ]
            .into(),
            created: now,
            last_updated: now,
        };
        let write = ConfigurationWrite::put(ConfigurationObject::SmsTemplate(template));
        self.platform.change(&self.org, |_| Ok::<_, ()>((vec![write.clone()], ()))).await.unwrap();
    }
}

/// The user's language, else that of the request; its translation, else the template's own text. Another org has ours.
#[tokio::test]
async fn the_orgs_template_reaches_the_provider_and_the_document_of_the_hook() {
    let carrier = Carrier::new("OWN", Does::Take);
    let mut phone = Phone::with_hook(vec![command(&json!([{ "status": "FAILED" }]))], carriers(&[&carrier])).await;
    phone.put_template().await;
    let org = phone.platform.org(&phone.org).unwrap().org.name.clone();
    let plain = phone.ada.profile.clone();
    for (number, (own, header, locale, text)) in [
        (None, "", "en", format!("{org} | {CODE}")),
        (Some("de_AT"), "fr", "DE-AT", format!("Ihr {CODE}")),
        (Some("pt_br"), "", "PT-BR", format!("Seu {CODE} de {org}")),
        (Some("pt_PT"), "de", "PT-PT", format!("{org} | {CODE}")),
        (None, "ja, de;q=0.5", "de", format!("Ihr {CODE}")),
        (None, "ja, fr", "ja", format!("{org} | {CODE}")),
    ]
    .into_iter()
    .enumerate()
    {
        phone.ada.profile = own.map_or(plain.clone(), |locale| plain.clone().with("locale", locale));
        phone.languages = Languages::of_header(header);
        assert_eq!(phone.send().await, Delivery::Sent);
        assert_eq!(carrier.taken()[number], text, "{own:?} {header}");
        let message = &phone.documents()[number]["data"]["messageProfile"];
        assert_eq!((&message["msgTemplate"], &message["locale"]), (&json!(text), &json!(locale)), "{own:?} {header}");
    }
    phone.ada.profile = plain;
    phone.languages = Languages::default();
    let call = phone.send_as(TelephonyFlow::MfaVerification, PasscodeChannel::Voice, NUMBER).await;
    assert_eq!(call, Delivery::Sent);
    assert!(carrier.taken()[6].starts_with("Your code from"), "a template is of text messages alone");
    phone.org = phone.second_org().await;
    assert_eq!(phone.send().await, Delivery::Sent);
    assert_eq!(carrier.taken()[7], format!("Second: your code is {CODE}."));
}

/// `open-questions.md` I8.
#[tokio::test]
async fn a_lenient_hook_takes_near_misses_and_no_more() {
    let sent = |value| (command(&value), Delivery::Sent);
    let not_sent = |value| (command(&value), Delivery::NotSent);
    for (step, expected) in [
        sent(json!({ "status": "SUCCESSFUL", "provider": "ACME" })),
        sent(json!([{ "status": "SUCCESS", "provider": "ACME" }])),
        sent(json!({ "status": "SUCCESS", "provider": "ACME" })),
        not_sent(json!({ "status": "FAILED" })),
        not_sent(json!([{ "status": "success" }])),
        not_sent(json!("SUCCESS")),
        not_sent(json!({})),
    ] {
        let phone = Phone::without_hook(vec![step.clone()], TelephonyParts::default()).await;
        let uri = format!("http://{}/passcodes", phone.service.address());
        let policy = HookPolicy { lenient_answers: true, ..HookPolicy::default() };
        phone.put(InlineHook { policy, ..hook::hook(BuiltInType::Telephony, &uri) }).await;
        assert_eq!(phone.send().await, expected);
        if expected == Delivery::Sent {
            assert_eq!(phone.told().await.2["smsTelephonyProvider"], json!("ACME"));
        }
    }
}
