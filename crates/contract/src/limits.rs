//! Every bound of the contract, named once.

/// Bytes of an answer's body, after decoding: a longer one is a technical failure (`open-questions.md` C7).
pub const ANSWER_BYTES_MAX: usize = 262_143;
/// Nesting of an answer's JSON; serde_json's own recursion bound.
pub const ANSWER_DEPTH_MAX: usize = 128;
/// Nesting of a value that a hook sets, counted from its claim or attribute: far below the limits of JSON parsers, so
/// that nested operations produce nothing that cannot be parsed.
pub const VALUE_DEPTH_MAX: usize = 64;
/// Commands of one answer.
pub const COMMANDS_MAX: usize = 1_000;
/// Operations of one answer, all commands together.
pub const OPERATIONS_MAX: usize = 10_000;
/// Problems of an answer that are shown or stored, and causes of an error that are stored; the rest is counted.
pub const PROBLEMS_SHOWN_MAX: usize = 100;
/// Characters of each text of a problem.
pub const PROBLEM_TEXT_CHARACTERS_MAX: usize = 1_000;
/// Bytes of a path of an operation.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Bytes of the name of a hook type.
pub const HOOK_TYPE_NAME_BYTES_MAX: usize = 128;
/// Inline hooks of an org (`overview.md` section 7).
pub const HOOKS_PER_ORG_MAX: usize = 100;
/// Hook keys of an org (`overview.md` section 7).
pub const HOOK_KEYS_PER_ORG_MAX: usize = 50;
/// Characters of a hook's name.
pub const HOOK_NAME_CHARACTERS_MAX: usize = 255;
/// Characters of a hook's or token endpoint's URI.
pub const URI_CHARACTERS_MAX: usize = 1_024;
/// Custom headers of a channel.
pub const CHANNEL_HEADERS_MAX: usize = 50;
/// Bytes of a custom header's value and of the secret of a channel.
pub const HEADER_VALUE_BYTES_MAX: usize = 8_192;
/// Bytes of the client id and of the scope of a channel.
pub const CLIENT_TEXT_BYTES_MAX: usize = 4_096;
/// Bytes of a custom header's name.
pub const HEADER_NAME_BYTES_MAX: usize = 255;
/// Characters of service-controlled text in a log event (`system-log.md` section 4).
pub const LOG_TEXT_CHARACTERS_MAX: usize = 2_000;
/// Shortest lifetime of a token that a hook may set, in seconds (`token.md` section 3).
pub const TOKEN_LIFETIME_SECONDS_MIN: u32 = 300;
/// Longest lifetime of a token that a hook may set, in seconds.
pub const TOKEN_LIFETIME_SECONDS_MAX: u32 = 86_400;
/// Values of the attributes of a SAML assertion, with its audiences; an attribute without a value counts as one.
pub const ASSERTION_VALUES_MAX: usize = 1_000;
/// Bytes of all texts of a SAML assertion.
pub const ASSERTION_TEXT_BYTES_MAX: usize = 262_144;
/// Hooks at one place of the configuration, in order.
pub const BINDINGS_MAX: usize = 20;
/// How deep `all`, `any` and `not` of a condition may be nested.
pub const CONDITION_DEPTH_MAX: usize = 4;
/// Tests and combinations of one condition, all together.
pub const CONDITION_NODES_MAX: usize = 64;
/// Bytes of a condition, written as JSON.
pub const CONDITION_BYTES_MAX: usize = 16_384;
/// Bytes of each text of a condition: a pointer, a text in a value, the name of a member in it.
pub const CONDITION_TEXT_BYTES_MAX: usize = 1_024;
/// Values of one `in`.
pub const CONDITION_CHOICES_MAX: usize = 100;
/// Tests of one condition that are `matches`: each keeps a compiled expression.
pub const CONDITION_PATTERNS_MAX: usize = 8;
/// Characters of a regular expression.
pub const PATTERN_CHARACTERS_MAX: usize = 256;
/// Bytes of memory of a compiled regular expression.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 65_536;
/// Bytes of a text that a regular expression looks at; it matches no longer one.
pub const PATTERN_INPUT_BYTES_MAX: usize = 4_096;
/// Longest time for the answer to a host's question, in milliseconds.
pub const HOST_DEADLINE_MS_MAX: u32 = 60_000;
/// Questions of a host's batch.
pub const HOST_BATCH_MAX: usize = 100;
/// Characters of a text in a host's question: its actor's id, name and type, the ids of a request and of a hook.
pub const HOST_TEXT_CHARACTERS_MAX: usize = 255;
/// Characters of a document's `source` as a host gives it.
pub const HOST_SOURCE_CHARACTERS_MAX: usize = 1_024;
/// Bytes of each JSON Schema of a declared extension point, as compact JSON.
pub const SCHEMA_BYTES_MAX: usize = 65_536;
/// Arrays and objects inside each other in a JSON Schema as it is written: it is stored in a record of some levels, which must
/// have less than 128 so that it can be read again.
pub const SCHEMA_NESTING_MAX: usize = 100;
/// Nesting of a JSON Schema, its references followed.
pub const SCHEMA_DEPTH_MAX: usize = 64;
/// Subschemas that are looked at to check one value, its members and elements aside: references are followed, so a short
/// schema can be a long check.
pub const SCHEMA_CHECKS_MAX: usize = 10_000;
/// What checking one value may cost: the subschemas that are looked at, times the values in it.
pub const SCHEMA_WORK_MAX: usize = 5_000_000;
/// Members and elements of a value of which every violation of its schema is told; of a larger one the first.
pub const VIOLATED_VALUES_MAX: usize = 2_000;
/// Regular expressions in a JSON Schema.
pub const SCHEMA_PATTERNS_MAX: usize = 50;
/// Bytes of a compiled regular expression of a JSON Schema, and of the cache that it fills while it matches.
pub const SCHEMA_PATTERN_BYTES_MAX: usize = 262_144;
/// Characters of the title of a declared extension point.
pub const POINT_TITLE_CHARACTERS_MAX: usize = 255;
/// Characters of the description of a declared extension point.
pub const POINT_DESCRIPTION_CHARACTERS_MAX: usize = 2_000;
/// Characters of the version of a declared extension point.
pub const POINT_VERSION_CHARACTERS_MAX: usize = 32;
/// Operations that a declared extension point allows.
pub const POINT_OPERATIONS_MAX: usize = 100;
/// Decisions of a declared extension point that has any: at least.
pub const POINT_DECISIONS_MIN: usize = 2;
/// Decisions of a declared extension point.
pub const POINT_DECISIONS_MAX: usize = 20;
/// Characters of the name of a decision.
pub const DECISION_CHARACTERS_MAX: usize = 64;
/// Sensitive members of a declared extension point, and masked ones.
pub const POINT_HIDDEN_MAX: usize = 100;
/// Samples of a declared extension point.
pub const POINT_SAMPLES_MAX: usize = 10;
/// Bytes of each sample of a declared extension point, as compact JSON.
pub const POINT_SAMPLE_BYTES_MAX: usize = 65_536;
