//! The hook as the API shows it, and as the base of a merge. Never a secret in what is shown.

use serde_json::{Map, Value, json};

use super::{
    Channel, ChannelAuthentication, ClientCredential, HookPolicy, HookStatus, HookTls, InlineHook, SigningSecret,
};

impl InlineHook {
    /// The wire form, without secrets, with `_links` under `base_url` (no trailing slash).
    ///
    /// ```
    /// use serde_json::json;
    /// use tenterhook_contract::{HookTypes, Timestamp, hook::{InlineHook, Registry}, id::HookId};
    /// # let registry = Registry { hooks: &[], types: HookTypes::built_in(), hook_keys: &[], plain_http_to_loopback: false };
    /// # let (id, now) = (HookId::from_parts(1, [1; 8]), Timestamp::from_micros(0));
    /// # let body = json!({
    /// #     "name": "Claims", "type": "com.okta.oauth2.tokens.transform", "version": "1.0.0",
    /// #     "channel": { "type": "HTTP", "version": "1.0.0", "config": { "uri": "https://claims.example/hook" } },
    /// # });
    /// # let hook = InlineHook::create(&body, registry, id, now).unwrap();
    /// assert_eq!(hook.to_json("https://org.example.com")["status"], "ACTIVE");
    /// ```
    pub fn to_json(&self, base_url: &str) -> Value {
        let mut object = self.shown_members();
        object.insert("_links".to_owned(), self.links(base_url));
        Value::Object(object)
    }

    /// What is shown, without links.
    pub(super) fn shown_members(&self) -> Map<String, Value> {
        let (channel_type, config) = channel_to_json(&self.channel);
        let object = json!({
            "id": self.id,
            "status": self.status.as_str(),
            "name": self.name,
            "type": self.hook_type,
            "version": self.version,
            "channel": { "type": channel_type, "version": "1.0.0", "config": config },
            "created": self.created,
            "lastUpdated": self.last_updated,
        });
        let Value::Object(mut members) = object else { return Map::new() };
        // The vendor's clients get what they know, unless somebody has set more.
        if self.policy != HookPolicy::default() {
            members.insert("policy".to_owned(), self.policy.to_json());
        }
        if !self.signing.is_empty() {
            let secrets = self.signing.iter().map(SigningSecret::to_json).collect::<Vec<_>>();
            members.insert("signing".to_owned(), json!({ "secrets": secrets }));
        }
        if self.tls != HookTls::default() {
            members.insert("tls".to_owned(), self.tls.to_json());
        }
        members
    }

    /// The body of a PUT that has the same effect as the merge of `body` (`management-api.md` 3.5).
    pub(super) fn merged(&self, body: &Value) -> Value {
        let mut merged = self.shown_members();
        if let Some(Value::Object(channel)) = merged.get_mut("channel")
            && let Some(Value::Object(config)) = channel.get_mut("config")
        {
            restore_secrets(&self.channel.authentication, config);
        }
        let Value::Object(body) = body else { return body.clone() };
        // A body that does not name it leaves it, as a PUT does: what was stored before a newer rule is not judged again.
        if body.contains_key("policy") {
            merged.insert("policy".to_owned(), self.policy.to_json());
        } else {
            merged.shift_remove("policy");
        }
        for (name, value) in body {
            match (name.as_str(), value, merged.get_mut(name)) {
                ("channel", Value::Object(update), Some(Value::Object(stored))) => merge_channel(stored, update),
                ("policy", Value::Object(update), Some(Value::Object(stored))) => merge_policy(stored, update),
                _ => drop(merged.insert(name.clone(), value.clone())),
            }
        }
        Value::Object(merged)
    }

    fn links(&self, base_url: &str) -> Value {
        let href = format!("{base_url}/api/v1/inlineHooks/{}", self.id);
        let post = json!({ "allow": ["POST"] });
        match self.status {
            HookStatus::Active => json!({
                "self": { "href": href },
                "execute": { "href": format!("{href}/execute"), "hints": post },
                "deactivate": { "href": format!("{href}/lifecycle/deactivate"), "hints": post },
            }),
            HookStatus::Inactive => json!({
                "activate": { "href": format!("{href}/lifecycle/activate"), "hints": post },
                "self": { "href": href },
                "delete": { "href": href, "hints": { "allow": ["DELETE"] } },
            }),
        }
    }
}

/// Members of `breaker` are settings of their own, as those of the policy are; null gives all of them their defaults.
fn merge_policy(stored: &mut Map<String, Value>, update: &Map<String, Value>) {
    for (name, value) in update {
        match (name.as_str(), value, stored.get_mut(name)) {
            ("breaker", Value::Object(update), Some(Value::Object(breaker))) => breaker.extend(update.clone()),
            _ => drop(stored.insert(name.clone(), value.clone())),
        }
    }
}

fn merge_channel(stored: &mut Map<String, Value>, update: &Map<String, Value>) {
    let changes_type = update.get("type").is_some_and(|kind| Some(kind) != stored.get("type"));
    for (name, value) in update {
        match (name.as_str(), value, stored.get_mut(name)) {
            ("config", Value::Object(update), Some(Value::Object(config))) if !changes_type => {
                merge_config(config, update);
            }
            _ => drop(stored.insert(name.clone(), value.clone())),
        }
    }
}

fn merge_config(config: &mut Map<String, Value>, update: &Map<String, Value>) {
    // Another `authType` has other credentials: those of the old one do not count.
    if let Some(Value::String(auth_type)) = update.get("authType")
        && config.get("authType").is_some_and(|stored| stored != auth_type.as_str())
    {
        config.shift_remove("clientSecret");
        config.shift_remove("hookKeyId");
    }
    for (name, value) in update {
        match (name.as_str(), value, config.get_mut(name)) {
            ("authScheme", Value::Object(update), Some(Value::Object(scheme))) => {
                scheme.extend(update.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            _ => drop(config.insert(name.clone(), value.clone())),
        }
    }
}

fn channel_to_json(channel: &Channel) -> (&'static str, Map<String, Value>) {
    let headers: Vec<_> =
        channel.headers.iter().map(|header| json!({ "key": header.key, "value": header.value })).collect();
    let scheme = match &channel.authentication {
        ChannelAuthentication::Header { key, .. } => json!({ "type": "HEADER", "key": key }),
        _ => Value::Null,
    };
    let mut config = Map::from_iter([
        ("uri".to_owned(), json!(channel.uri)),
        ("headers".to_owned(), json!(headers)),
        ("method".to_owned(), json!("POST")),
        ("authScheme".to_owned(), scheme),
    ]);
    let ChannelAuthentication::OAuth { client_id, token_url, scope, credential } = &channel.authentication else {
        return ("HTTP", config);
    };
    let auth_type = match credential {
        ClientCredential::SecretPost(_) => "client_secret_post",
        ClientCredential::PrivateKeyJwt(_) => "private_key_jwt",
    };
    config.insert("clientId".to_owned(), json!(client_id));
    config.insert("tokenUrl".to_owned(), json!(token_url));
    config.insert("authType".to_owned(), json!(auth_type));
    config.insert("scope".to_owned(), json!(scope));
    if let ClientCredential::PrivateKeyJwt(key) = credential {
        config.insert("hookKeyId".to_owned(), json!(key));
    }
    ("OAUTH", config)
}

fn restore_secrets(authentication: &ChannelAuthentication, config: &mut Map<String, Value>) {
    match authentication {
        ChannelAuthentication::Header { value, .. } => {
            if let Some(Value::Object(scheme)) = config.get_mut("authScheme") {
                scheme.insert("value".to_owned(), json!(value.expose()));
            }
        }
        ChannelAuthentication::OAuth { credential: ClientCredential::SecretPost(secret), .. } => {
            config.insert("clientSecret".to_owned(), json!(secret.expose()));
        }
        _ => {}
    }
}
