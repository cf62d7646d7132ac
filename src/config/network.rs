//! `trusted_proxies`: ranges of addresses whose `X-Forwarded-*` fields count.

use std::net::IpAddr;

use super::model::Network;
use super::read::Reader;
use super::yaml::Node;

/// Reads `trusted_proxies`.
pub(super) fn networks(reader: &mut Reader, node: &Node) -> Option<Vec<Network>> {
    reader.one_or_many(node, network)
}

fn network(reader: &mut Reader, node: &Node) -> Option<Network> {
    let scalar = reader.scalar(node)?;
    let Some(network) = parse(&scalar.text) else {
        let message = format!("`{}` is no range of addresses", scalar.shown());
        reader.log.error(node.place, message, "write it in CIDR notation, like `10.0.0.0/8` or `fd00::/8`");
        return None;
    };
    let first = first_of(network);
    if first != network {
        let message = format!("`{}` has bits set behind its prefix", scalar.shown());
        let hint = format!("write `{}/{}`, or a longer prefix", first.address, first.prefix);
        reader.log.error(node.place, message, if scalar.written.is_some() { String::new() } else { hint });
        return None;
    }
    if network.prefix == 0 {
        let message = format!("`{}` is everybody", scalar.shown());
        reader.log.warning(node.place, message, "anybody can say what host was asked; name the proxies alone");
    }
    Some(network)
}

/// An address with a prefix length, or an address alone.
fn parse(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => bits,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    (prefix <= bits).then_some(Network { address, prefix })
}

/// The range with nothing behind its prefix.
fn first_of(network: Network) -> Network {
    let address = match network.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(network.prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(network.prefix)).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    };
    Network { address, prefix: network.prefix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges_and_single_addresses() {
        let print = |text| parse(text).map(|network| format!("{}/{}", network.address, network.prefix));
        assert_eq!(print("10.0.0.0/8").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(print("10.0.0.1").as_deref(), Some("10.0.0.1/32"));
        assert_eq!(print("::1").as_deref(), Some("::1/128"));
        assert_eq!(print("0.0.0.0/0").as_deref(), Some("0.0.0.0/0"));
        for text in ["", "10.0.0.0/33", "fd00::/129", "10.0.0.0/+8", "10.0.0/8", "10.0.0.0/", "a/8"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_range_begins_where_its_prefix_says() {
        let first = |text| first_of(parse(text).unwrap()).address.to_string();
        assert_eq!(first("10.1.2.3/8"), "10.0.0.0");
        assert_eq!(first("10.1.2.3/0"), "0.0.0.0");
        assert_eq!(first("10.1.2.3/32"), "10.1.2.3");
        assert_eq!(first("fd12::1/8"), "fd00::");
    }
}
