//! The loan approval: five small services and their sagas.
