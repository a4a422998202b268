//! Factors of users: listed, read, removed, and what a request says of one that is to be enrolled. What needs codes is in the flow.

use tenterhook_contract::id::FactorId;
use tenterhook_model::{Factor, FactorType, NewFactor, PhoneNumber, User};
use tenterhook_platform::{
    Platform,
    events::{DEACTIVATE_FACTOR, RESET_FACTORS, factor_target, user_target},
};

use crate::{
    administrator::{Administrator, ManagementError, log_change, log_change_of},
    request::{BLANK, Causes, Given, INVALID, Submitted},
    users,
};

/// The subject of an error's summary.
pub const MODEL: &str = "factorEnrollRequest";
const TYPE: &str = "factorType";
const PROVIDER: &str = "provider";
const NUMBER: &str = "profile.phoneNumber";
const EXTENSION: &str = "profile.phoneExtension";

/// What a request says of a factor.
#[derive(Clone, Debug, Default)]
pub struct FactorRequest {
    /// The kind, by the vendor's name.
    pub factor_type: Given<String>,
    /// What verifies it, by the vendor's name.
    pub provider: Given<String>,
    /// The number of a phone, as people write it.
    pub phone_number: Given<String>,
    /// The extension of a phone that is called.
    pub phone_extension: Given<String>,
}

/// The factor that a request is about.
///
/// # Errors
/// Everything that is wrong with the request.
pub fn read(platform: &Platform, submitted: &Submitted<FactorRequest>) -> Result<NewFactor, ManagementError> {
    let mut causes = Causes::of(MODEL, submitted);
    let request = &submitted.request;
    let factor_type = factor_type(&mut causes, request);
    let phone = match factor_type {
        Some(FactorType::Sms | FactorType::Call) => phone(platform, &mut causes, request),
        Some(FactorType::Totp) => {
            for (member, given) in [(NUMBER, &request.phone_number), (EXTENSION, &request.phone_extension)] {
                if given.is_given() {
                    causes.add(member, "An authenticator app has no phone");
                }
            }
            None
        }
        None => None,
    };
    let new = match (factor_type, phone) {
        (Some(FactorType::Sms), Some(phone)) => Some(NewFactor::Sms(phone)),
        (Some(FactorType::Call), Some(phone)) => Some(NewFactor::Call(phone)),
        (Some(FactorType::Totp), _) => Some(NewFactor::Totp),
        _ => None,
    };
    causes.finish()?;
    // Without a factor there is a cause.
    new.ok_or_else(|| ManagementError::field(TYPE, INVALID))
}

/// Checks that a request to send a passcode again is about this factor.
///
/// # Errors
/// Everything that is wrong with the request, or another type or phone.
pub fn check_is_about(
    platform: &Platform,
    submitted: &Submitted<FactorRequest>,
    factor: &Factor,
) -> Result<(), ManagementError> {
    let FactorRequest { factor_type, provider, phone_number, phone_extension } = &submitted.request;
    let mut causes = Causes::of(MODEL, submitted);
    let known = factor.method.factor_type();
    for (member, given, expected) in [(TYPE, factor_type, known.as_str()), (PROVIDER, provider, known.provider())] {
        if given.is_given() && given.value().map(String::as_str) != Some(expected) {
            causes.add(member, &format!("The factor has `{expected}`"));
        }
    }
    if (phone_number.is_given() || phone_extension.is_given()) && factor.method.phone().is_some() {
        let given = phone(platform, &mut causes, &submitted.request);
        let is_same = given.as_ref().zip(factor.method.phone()).is_none_or(|(given, known)| {
            // The extension may be left out, as the vendor's samples do.
            given.as_e164() == known.as_e164()
                && (!phone_extension.is_given() || given.extension() == known.extension())
        });
        if !is_same {
            causes.add(NUMBER, "The factor has another phone. Enroll it again with `updatePhone=true`");
        }
    }
    causes.finish()
}

/// The factors of a user.
///
/// # Errors
/// When there is no such user.
pub async fn list(
    platform: &Platform,
    administrator: &Administrator,
    user: &str,
) -> Result<(User, Vec<Factor>), ManagementError> {
    let user = users::get(platform, administrator, user).await?;
    let factors = platform.store().list_factors(&user.org_id, &user.id).await?;
    Ok((user, factors))
}

/// The factor of a user with this id.
///
/// # Errors
/// When there is no such user or factor.
pub async fn get(
    platform: &Platform,
    administrator: &Administrator,
    user: &str,
    id: &str,
) -> Result<(User, Factor), ManagementError> {
    let user = users::get(platform, administrator, user).await?;
    let Ok(factor) = id.parse::<FactorId>() else { return Err(not_found(id)) };
    let factor = platform.store().find_factor(&user.org_id, &user.id, &factor).await?;
    Ok((user, factor.ok_or_else(|| not_found(id))?))
}

/// Removes a factor with its passcodes.
///
/// # Errors
/// When there is no such user or factor.
pub async fn remove(
    platform: &Platform,
    administrator: &Administrator,
    user: &str,
    id: &str,
) -> Result<(), ManagementError> {
    let (user, factor) = get(platform, administrator, user, id).await?;
    if !platform.store().remove_factor(&user.org_id, &user.id, &factor.id).await? {
        return Err(not_found(id));
    }
    let (event_type, message) = DEACTIVATE_FACTOR;
    log_change_of(platform, administrator, event_type, message, [user_target(&user), factor_target(&factor)]);
    Ok(())
}

/// Removes all factors of a user, also those that cannot be read.
///
/// # Errors
/// When there is no such user.
pub async fn reset(platform: &Platform, administrator: &Administrator, user: &str) -> Result<(), ManagementError> {
    let user = users::get(platform, administrator, user).await?;
    platform.store().remove_factors(&user.org_id, &user.id).await?;
    let (event_type, message) = RESET_FACTORS;
    log_change(platform, administrator, event_type, message, user_target(&user));
    Ok(())
}

/// The error for an id that no factor of the user has.
pub fn not_found(id: &str) -> ManagementError {
    ManagementError::NotFound { id: id.to_owned(), kind: "UserFactor" }
}

fn factor_type(causes: &mut Causes, request: &FactorRequest) -> Option<FactorType> {
    let names = || FactorType::ALL.map(FactorType::as_str);
    let Given::Is(name) = &request.factor_type else {
        match &request.factor_type {
            Given::Wrong => causes.none_of(TYPE, names()),
            _ => causes.add(TYPE, BLANK),
        }
        return None;
    };
    let Ok(factor_type) = name.parse::<FactorType>() else {
        causes.none_of(TYPE, names());
        return None;
    };
    match &request.provider {
        Given::Absent => causes.add(PROVIDER, BLANK),
        Given::Is(provider) if provider == factor_type.provider() => {}
        _ => causes.none_of(PROVIDER, [factor_type.provider()]),
    }
    Some(factor_type)
}

/// The phone of a request, whose extension is one of a phone that is called.
fn phone(platform: &Platform, causes: &mut Causes, request: &FactorRequest) -> Option<PhoneNumber> {
    let number = causes.required(NUMBER, &request.phone_number)?;
    let number = match PhoneNumber::parse(&number, platform.telephony().default_region()) {
        Ok(number) => number,
        Err(error) => {
            causes.add(NUMBER, &error.to_string());
            return None;
        }
    };
    let number = match causes.given(EXTENSION, &request.phone_extension) {
        None => number,
        Some(extension) => match number.with_extension(extension) {
            Ok(number) => number,
            Err(error) => {
                causes.add(EXTENSION, &error.to_string());
                return None;
            }
        },
    };
    let is_text = request.factor_type.value().is_some_and(|name| name == FactorType::Sms.as_str());
    if is_text && number.extension().is_some() {
        causes.add(EXTENSION, "A text message reaches no extension");
        return None;
    }
    Some(number)
}
