//! A fence request through its levels to a verdict and a proof.
