//! Arguments of `serve`, and which part of a recording `report` shows.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use slowpath_profile::view::Filter;

use super::{SamplingArgs, parse_duration};
use crate::failure::Failure;

/// Options of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Recording (.slowpath) or process id; or a program behind --
    #[arg(required_unless_present = "command", conflicts_with = "command", value_name = "FILE|PID")]
    pub(crate) target: Option<String>,
    /// Program and its arguments
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Address and port to listen on; port 0 is any that is free
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:0",
        value_parser = parse_listen,
        help_heading = "Server"
    )]
    pub(crate) listen: SocketAddr,
    /// Listen on an address that other machines reach: whoever learns the link sees source and profile
    #[arg(long, help_heading = "Server")]
    pub(crate) yes_expose: bool,
    /// Show no source
    #[arg(long, help_heading = "Server")]
    pub(crate) no_source: bool,
}

/// Which part of a recording to show.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Part")]
pub(crate) struct PartArgs {
    /// Show only these threads: main, an id, or a glob for the name; may be repeated
    #[arg(long, value_name = "main|ID|GLOB")]
    threads: Vec<String>,
    /// Show only what was sampled from this time on: 1.5s, counted from the beginning
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    from: Option<Duration>,
    /// Show only what was sampled before this time
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    to: Option<Duration>,
}

impl PartArgs {
    /// A filter that lets only this part through.
    pub(crate) fn narrow(&self, filter: Filter) -> Result<Filter, Failure> {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let from = self.from.map_or(0, ns);
        let to = self.to.map_or(u64::MAX, ns);
        if from >= to {
            return Err(Failure::usage(
                "there is nothing between --from and --to",
                "the end is not behind the beginning",
                "give times as in: --from 1.5s --to 3s",
            ));
        }
        let is_all = self.from.is_none() && self.to.is_none();
        let threads = self.threads.iter().filter(|thread| *thread != "all").cloned().collect();
        Ok(Filter { threads, time_ns: (!is_all).then_some(from..to), ..filter })
    }
}

fn parse_moment(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s" | "0ms") { Ok(Duration::ZERO) } else { parse_duration(text) }
}

/// An address, a port, or both.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let local = IpAddr::from(Ipv4Addr::LOCALHOST);
    let address = text.parse::<SocketAddr>().ok();
    let ip = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0));
    let port = || text.parse::<u16>().ok().map(|port| SocketAddr::new(local, port));
    address
        .or_else(ip)
        .or_else(port)
        .ok_or_else(|| format!("'{text}' is not an address; write 127.0.0.1:8080, [::1]:8080 or a port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_local_unless_said_otherwise() {
        for (text, expected) in [
            ("8080", "127.0.0.1:8080"),
            ("127.0.0.1", "127.0.0.1:0"),
            ("[::1]:80", "[::1]:80"),
            ("::1", "[::1]:0"),
            ("192.0.2.7:1", "192.0.2.7:1"),
        ] {
            assert_eq!(parse_listen(text), Ok(expected.parse().expect("an address")), "{text}");
        }
        for wrong in ["", "localhost", "example.org:80", "70000"] {
            assert!(parse_listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_part_needs_a_beginning_before_its_end() {
        let part = |from, to| {
            let time = |seconds: f64| (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds));
            let (from, to) = (time(from), time(to));
            PartArgs { from, to, ..PartArgs::default() }.narrow(Filter::default()).map(|it| it.time_ns)
        };
        assert_eq!(part(-1.0, -1.0), Ok(None));
        assert_eq!(part(0.5, -1.0), Ok(Some(500_000_000..u64::MAX)));
        assert_eq!(part(-1.0, 0.07), Ok(Some(0..70_000_000)));
        assert!(part(2.0, 2.0).is_err());
    }
}
