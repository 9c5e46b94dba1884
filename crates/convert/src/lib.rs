//! Verdicts, plans and patches.
