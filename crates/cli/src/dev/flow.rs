//! The flows that the demonstration runs.

use clap::ValueEnum;

use super::registration::DevHook;

/// `--flow`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FlowChoice {
    /// A service requests a token: nobody signs in, and there is no ID token.
    ClientCredentials,
    /// Ada signs in: the document has the user and both tokens.
    Code,
    /// The two flows above, one after the other, the second with only what differs.
    #[default]
    Both,
    /// A program pauses at the development org's own extension point, `com.example.order.checkout`.
    Order,
    /// Ada signs on to a service provider with SAML.
    Saml,
}

/// A flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// `client_credentials`.
    ClientCredentials,
    /// `authorization_code`, as the first user of the development org.
    Code,
    /// An invocation by a host.
    Order,
    /// A sign-on to the SAML app, as the first user of the development org.
    Saml,
}

impl FlowChoice {
    /// The hook that the flows call.
    pub(crate) fn hook(self) -> DevHook {
        match self {
            Self::ClientCredentials | Self::Code | Self::Both => DevHook::Token,
            Self::Order => DevHook::Order,
            Self::Saml => DevHook::Saml,
        }
    }

    /// The flows in their order.
    pub(crate) fn flows(self) -> &'static [Flow] {
        match self {
            Self::ClientCredentials => &[Flow::ClientCredentials],
            Self::Code => &[Flow::Code],
            Self::Both => &[Flow::ClientCredentials, Flow::Code],
            Self::Order => &[Flow::Order],
            Self::Saml => &[Flow::Saml],
        }
    }
}

impl Flow {
    /// As `--flow` names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client-credentials",
            Self::Code => "code",
            Self::Order => "order",
            Self::Saml => "saml",
        }
    }

    /// What it is, for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::ClientCredentials => "Client credentials: a service requests an access token; nobody signs in",
            Self::Code => "Authorization code: Ada signs in; an ID token and an access token",
            Self::Order => "Order checkout: a program of this org pauses before it places an order",
            Self::Saml => "SAML: Ada signs on to a service provider, which gets a signed assertion",
        }
    }
}
