//! What things cost on the price list. Enough to tell what a change costs or saves; a bill has discounts, taxes and
//! traffic on top.
