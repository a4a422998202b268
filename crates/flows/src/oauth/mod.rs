//! OAuth 2.0 and OpenID Connect on custom authorization servers.
