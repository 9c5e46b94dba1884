//! Whose a public image or snapshot is.

/// The account that owns what is of the alias `amazon`.
pub(super) const AMAZON: &str = "137112412989";

/// The alias that AWS gives: Debian has an account, and no alias.
pub(super) fn alias(owner: Option<&String>) -> Option<&String> {
    owner.filter(|alias| ["amazon", "aws-marketplace"].contains(&alias.as_str()))
}
