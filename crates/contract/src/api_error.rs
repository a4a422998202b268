//! The management API's error body and code catalogue (`management-api.md` section 1).
