//! What is said where not everything is to be had.
