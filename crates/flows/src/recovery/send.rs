//! What a recovery sends after its answer: the user is looked up only here, so that the answer takes the same time for every login.

use std::sync::Arc;

use tenterhook_contract::telephony::TelephonyFlow;
use tenterhook_model::{
    Factor, FactorMethod, FactorStatus, LinkPurpose, PhoneNumber, RecoveryMethod, RecoveryPurpose, RecoverySubject,
    RecoveryToken, User,
};
use tenterhook_platform::{
    Caller, OrgSnapshot, Platform, RecoveryPlace,
    entropy::passcode,
    events::{login_actor, user_actor, user_target},
    links::good_for,
    mail::{Letter, LetterLink, MailAddress, MailKind, Posting},
    refusals::Refusal,
    telephony::PasscodeChannel,
};
use tenterhook_store::StoreError;

use super::event_of;
use crate::telephony::{Delivery, Message, send};

/// The reason of a message that was not sent: the user has no active factor of this kind.
const NO_FACTOR: &str = "NO_ACTIVE_FACTOR";
/// The reason: no mail can be sent to the address of the user.
const NO_ADDRESS: &str = "NO_MAIL_ADDRESS";
/// The reason: too many mails wait.
const MAIL_QUEUE_FULL: &str = "MAIL_QUEUE_FULL";
/// The reason: as many links of the user work already as may.
const TOO_MANY_LINKS: &str = "TOO_MANY_LINKS";

/// A message that goes out after the answer, if there is a user who gets it. It holds a place among those that are being sent.
#[must_use = "nothing is sent unless it runs"]
pub struct PendingSend {
    pub(super) platform: Arc<Platform>,
    pub(super) org: Arc<OrgSnapshot>,
    pub(super) caller: Caller,
    pub(super) purpose: RecoveryPurpose,
    pub(super) login: String,
    pub(super) way: Way,
    pub(super) _place: RecoveryPlace,
}

/// The way of a message.
pub(super) enum Way {
    /// A link in a mail.
    Link,
    /// A passcode to the phone of a factor, for this recovery.
    Passcode(Box<RecoveryToken>),
}

impl std::fmt::Debug for PendingSend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PendingSend").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl PendingSend {
    /// Sends it. It takes as long as the service of a hook does.
    pub async fn run(self) {
        if let Err(error) = self.send().await {
            tracing::error!(org = %self.org.org.id, %error, "recovery.send: nothing was sent");
        }
    }

    async fn send(&self) -> Result<(), StoreError> {
        let found = self.platform.store().find_user_by_login(&self.org.org.id, &self.login).await?;
        let Some(user) = found else { return Ok(()) };
        if !self.purpose.is_open_to(user.status) {
            self.not_sent(&user, user.status.as_str());
            return Ok(());
        }
        match &self.way {
            Way::Link => self.send_link(&user).await,
            Way::Passcode(token) => self.send_passcode(&user, token).await,
        }
    }

    async fn send_link(&self, user: &User) -> Result<(), StoreError> {
        let (kind, purpose) = match self.purpose {
            RecoveryPurpose::Password => (MailKind::Recovery, LinkPurpose::Recovery),
            RecoveryPurpose::Unlock => (MailKind::Unlock, LinkPurpose::Unlock),
        };
        let Ok(to) = MailAddress::parse(&user.profile.email) else {
            self.not_sent(user, NO_ADDRESS);
            return Ok(());
        };
        let Ok(place) = self.platform.mailer().reserve(&self.org.org.id, kind) else {
            self.not_sent(user, MAIL_QUEUE_FULL);
            return Ok(());
        };
        let issued = self.platform.new_link(&self.caller.base_url, user, purpose);
        let now = self.platform.now();
        if !self.platform.store().insert_recovery_link(&issued.link, user.version, now).await? {
            self.not_sent(user, TOO_MANY_LINKS);
            return Ok(());
        }
        let (_, good_for) = good_for(purpose);
        let letter = Letter {
            kind,
            org_name: &self.org.org.name,
            login: &user.profile.login,
            link: Some(LetterLink { address: &issued.address, good_for }),
        };
        let transaction_id = self.caller.request_id.to_string();
        place.send(letter.compose(to), Posting { about: user_target(user), transaction_id });
        Ok(())
    }

    async fn send_passcode(&self, user: &User, token: &RecoveryToken) -> Result<(), StoreError> {
        let store = self.platform.store();
        let factors = store.list_factors(&user.org_id, &user.id).await?;
        let found = factors.iter().find_map(|factor| Some((factor, phone_of(factor, token.method)?)));
        let Some((factor, (channel, phone))) = found else {
            self.not_sent(user, NO_FACTOR);
            return Ok(());
        };
        let subject = RecoverySubject { user_id: user.id.clone(), factor_id: Some(factor.id.clone()) };
        let code = passcode(self.platform.entropy());
        let put = store.put_recovery_code(token, &subject, &code, self.platform.now()).await?;
        let Some(put) = put else { return Ok(()) };
        let message = Message {
            purpose: match self.purpose {
                RecoveryPurpose::Password => TelephonyFlow::PasswordReset,
                RecoveryPurpose::Unlock => TelephonyFlow::AccountUnlock,
            },
            channel,
            user,
            phone,
            passcode: &code,
            expires: token.expires,
            locale: None,
            caller: &self.caller,
            actor: user_actor(user),
            token: None,
        };
        // Its own event says what became of it.
        if send(&self.platform, &self.org, message).await != Delivery::Sent {
            store.take_back_recovery_code(token, &put, self.platform.now()).await?;
        }
        Ok(())
    }

    /// Only the log says why nothing was sent. Anybody may cause it, so such events are bounded.
    fn not_sent(&self, user: &User, reason: &'static str) {
        let refusal = Refusal::Passcode(event_of(self.purpose), reason);
        self.platform.log_refusal(&self.org.org.id, &self.caller, login_actor(Some(user), &self.login), refusal);
    }
}

/// The phone of an active factor that gets passcodes in this way.
pub(super) fn phone_of(factor: &Factor, method: RecoveryMethod) -> Option<(PasscodeChannel, &PhoneNumber)> {
    if factor.status != FactorStatus::Active {
        return None;
    }
    match (method, &factor.method) {
        (RecoveryMethod::Sms, FactorMethod::Sms(phone)) => Some((PasscodeChannel::Sms, phone)),
        (RecoveryMethod::Call, FactorMethod::Call(phone)) => Some((PasscodeChannel::Voice, phone)),
        _ => None,
    }
}
