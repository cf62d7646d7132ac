//! The word that somebody meant, for `did you mean`.

/// The most names of the operator's own that a wrong one is compared with: there may be many, and many wrong ones.
pub(super) const MOST_COMPARED: usize = 2000;

/// The word of `known` that is nearest to `word`, if one is near enough to be meant.
pub(super) fn of<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let written: Vec<char> = fold(word);
    // Whoever writes a whole page for a key does not mean one.
    if written.is_empty() || written.len() > 256 {
        return None;
    }
    let allowed = (written.len() / 3).clamp(1, 4);
    let distances =
        known.iter().filter(|known| known.len() <= 256).map(|known| (distance(&written, &fold(known)), *known));
    distances.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The text without what people confuse: case, and `-` for `_`.
fn fold(text: &str) -> Vec<char> {
    text.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// How many letters must be added, removed, replaced or swapped with the next one (optimal string alignment).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut rows: [Vec<usize>; 3] = [Vec::new(), Vec::new(), (0..=other.len()).collect()];
    for (at, c) in one.iter().enumerate() {
        rows.rotate_left(1);
        let mut row = vec![at + 1];
        for (over, d) in other.iter().enumerate() {
            let replaced = rows[1][over] + usize::from(c != d);
            let mut least = replaced.min(rows[1][over + 1] + 1).min(row[over] + 1);
            if at > 0 && over > 0 && *c == other[over - 1] && one[at - 1] == *d {
                least = least.min(rows[0][over - 1] + 1);
            }
            row.push(least);
        }
        rows[2] = row;
    }
    rows[2][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_slips_of_the_finger() {
        let far = |one: &str, other: &str| distance(&fold(one), &fold(other));
        assert_eq!(far("", "abc"), 3);
        assert_eq!(far("upstream", "upstream"), 0);
        assert_eq!(far("upstraem", "upstream"), 1);
        assert_eq!(far("scope", "scopes"), 1);
        assert_eq!(far("kitten", "sitting"), 3);
    }

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        let known = ["upstream", "scopes", "required_scopes", "rules"];
        assert_eq!(of("upstraem", &known), Some("upstream"));
        assert_eq!(of("scope", &known), Some("scopes"));
        assert_eq!(of("required-scopes", &known), Some("required_scopes"));
        assert_eq!(of("Rules", &known), Some("rules"));
        assert_eq!(of("zzz", &known), None);
        assert_eq!(of("", &known), None);
    }
}
