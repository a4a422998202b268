//! JSON Pointer (RFC 6901) as the contract's patch dialect uses it.
