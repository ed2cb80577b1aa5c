//! The dates of `Expires`, however servers write them. Source: RFC 6265, 5.1.1.

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Unix time in seconds; None for no date.
pub fn parse(text: &str) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let separates = |c: char| !c.is_ascii_alphanumeric() && c != ':';
    for token in text.split(separates).filter(|token| !token.is_empty()) {
        if time.is_none() && token.contains(':') {
            time = time_of(token);
            continue;
        }
        let digits = token.bytes().take_while(u8::is_ascii_digit).count();
        let number: Option<i64> = token[..digits].parse().ok();
        if (1..=2).contains(&digits) && day.is_none() {
            day = number;
        } else if digits == 0 && month.is_none() {
            month = month_of(token);
        } else if (2..=4).contains(&digits) && year.is_none() {
            year = number.map(|year| match year {
                70..=99 => year + 1900,
                0..=69 => year + 2000,
                _ => year,
            });
        }
    }
    let (day, month, year) = (day?, month?, year?);
    let possible = (1..=31).contains(&day) && (1601..=9999).contains(&year);
    possible
        .then(|| days_from_civil(year, month, day) * 86_400 + time.unwrap_or(0))
        .filter(|_| time.is_some())
}

fn month_of(token: &str) -> Option<i64> {
    let start = token.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == start)?;
    Some(at as i64 + 1)
}

fn time_of(token: &str) -> Option<i64> {
    let mut parts = token.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let possible = hours < 24 && minutes < 60 && seconds < 60 && parts.next().is_none();
    possible.then(|| hours * 3600 + minutes * 60 + seconds)
}

/// Days since 1970-01-01. Source: H. Hinnant, "chrono-compatible low-level date algorithms".
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = (month + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three forms of RFC 9110, 5.6.7 name the same second; 784111777 is its Unix time.
    #[test]
    fn every_form_of_a_date_is_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text), Some(784_111_777), "{text}");
        }
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        for wrong in [
            "",
            "tomorrow",
            "06 Nov 1994",
            "99 Nov 1994 08:49:37",
            "06 Nov 1994 25:00:00",
            "é 1 é",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
