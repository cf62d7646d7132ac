//! What must hold for every configuration and every request, tried on generated ones.

mod families;
mod grants;
mod isolation;
mod minting;
mod rules;
mod workshop;
