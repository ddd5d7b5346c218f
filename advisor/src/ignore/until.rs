//! When a comment ends.

/// A day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year.
    pub year: u16,
    /// Month from 1.
    pub month: u8,
    /// Day from 1.
    pub day: u8,
}

impl Date {
    /// The day in UTC that is so many seconds after the beginning of 1970.
    pub fn of_unix_time(seconds: u64) -> Self {
        // Years begin in March here, so that the day that comes and goes is the last of its year.
        let days = seconds / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = u16::try_from(era * 400 + year + next).unwrap_or(u16::MAX);
        Self { year, month: month as u8, day: day as u8 }
    }

    /// `2027-01-31`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let is_date = parts.next().is_none() && (year.len(), month.len(), day.len()) == (4, 2, 2);
        let date = Self { year: year.parse().ok()?, month: month.parse().ok()?, day: day.parse().ok()? };
        let is_real = (1..=12).contains(&date.month) && (1..=31).contains(&date.day);
        (is_date && is_real).then_some(date)
    }
}

/// When a comment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// With this version of Python.
    Version(u16, u16),
    /// After this day.
    Date(Date),
}

impl Until {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(date) = Date::parse(text) {
            return Some(Self::Date(date));
        }
        let (major, minor) = text.split_once('.')?;
        Some(Self::Version(major.parse().ok()?, minor.parse().ok()?))
    }

    /// A version has come when every interpreter of the run has it.
    pub(super) fn is_over(self, python: &[String], today: Date) -> bool {
        match self {
            Self::Date(last) => today > last,
            Self::Version(major, minor) => {
                let has_come = |it: &String| version(it).is_some_and(|it| it >= (major, minor));
                !python.is_empty() && python.iter().all(has_come)
            }
        }
    }
}

/// Major and minor part of a version.
fn version(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
