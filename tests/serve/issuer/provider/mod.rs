//! Logins at an OpenID provider, by sockets: a good one, and everything that is not believed.

mod attacks;
mod logins;
mod mock;
mod walk;
