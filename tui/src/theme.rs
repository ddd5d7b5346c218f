//! Colours and signs, for terminals that have few of either.
//!
//! Every colour has a luminance of about 0.18, which is readable on black and on white: what the
//! background is cannot be asked everywhere. No meaning is carried by colour alone.

use ratatui::style::{Color, Modifier, Style};
use slowpath_profile::evidence::SpecState;

/// How many colours may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColorLevel {
    /// None; bold, dim, underlined and reversed text is left.
    Never,
    /// The terminal's own sixteen.
    #[default]
    Ansi16,
    /// The 256 of xterm.
    Ansi256,
    /// All.
    Rgb,
}

/// How things look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// Colours.
    pub level: ColorLevel,
    /// Only characters of ASCII are drawn.
    pub ascii: bool,
}

/// One colour for each level: of sixteen, of 256, of all.
type Shades = (Color, u8, (u8, u8, u8));

const BLUE: Shades = (Color::Blue, 32, (38, 116, 212));
const OLIVE: Shades = (Color::Yellow, 94, (140, 112, 0));
const ORANGE: Shades = (Color::Magenta, 166, (199, 85, 0));
const PINK: Shades = (Color::Red, 162, (204, 58, 146));
const GREY: Shades = (Color::Reset, 243, (118, 118, 118));
const HEAT: [Shades; 4] = [
    (Color::Reset, 137, (146, 107, 88)),
    (Color::Reset, 131, (173, 91, 48)),
    (Color::Red, 130, (191, 76, 19)),
    (Color::Red, 160, (216, 57, 0)),
];

impl Theme {
    fn color(self, (ansi, index, (red, green, blue)): Shades) -> Style {
        match self.level {
            ColorLevel::Never => Style::new(),
            ColorLevel::Ansi16 if ansi == Color::Reset => Style::new(),
            ColorLevel::Ansi16 => Style::new().fg(ansi),
            ColorLevel::Ansi256 => Style::new().fg(Color::Indexed(index)),
            ColorLevel::Rgb => Style::new().fg(Color::Rgb(red, green, blue)),
        }
    }

    /// A state.
    pub(crate) fn state(self, state: SpecState) -> Style {
        match state {
            SpecState::Specialised => self.color(BLUE),
            SpecState::Warming => self.color(OLIVE),
            SpecState::BackedOff => self.color(ORANGE),
            SpecState::Deopted => self.color(PINK).add_modifier(Modifier::BOLD),
            SpecState::NotSpecialisable | SpecState::Compiled | SpecState::Unknown => self.color(GREY),
        }
    }

    /// The sign of a state.
    pub(crate) fn glyph(self, state: SpecState) -> &'static str {
        let (sign, letter) = match state {
            SpecState::Specialised => ("●", "S"),
            SpecState::Warming => ("◔", "w"),
            SpecState::BackedOff => ("◌", "b"),
            SpecState::Deopted => ("✖", "X"),
            SpecState::NotSpecialisable => ("·", "-"),
            SpecState::Compiled | SpecState::Unknown => ("?", "?"),
        };
        if self.ascii { letter } else { sign }
    }

    /// A share, from 0 to 1: one hue, the stronger the more.
    pub(crate) fn heat(self, share: f64) -> Style {
        if share <= 0.0 {
            return self.faint();
        }
        let step = heat_step(share);
        let style = self.color(HEAT[step]);
        if step == 3 { style.add_modifier(Modifier::BOLD) } else { style }
    }

    /// A block of this share, filled. White is readable on all colours of the ramp.
    pub(crate) fn block(self, share: f64) -> Style {
        let (ansi, index, (red, green, blue)) = HEAT[heat_step(share)];
        match self.level {
            ColorLevel::Never => Style::new().add_modifier(Modifier::REVERSED),
            ColorLevel::Ansi16 if ansi == Color::Reset => Style::new().add_modifier(Modifier::REVERSED),
            ColorLevel::Ansi16 => Style::new().bg(ansi).fg(Color::White),
            ColorLevel::Ansi256 => Style::new().bg(Color::Indexed(index)).fg(Color::Indexed(231)),
            ColorLevel::Rgb => Style::new().bg(Color::Rgb(red, green, blue)).fg(Color::Rgb(255, 255, 255)),
        }
    }

    /// Less important.
    pub(crate) fn faint(self) -> Style {
        match self.level {
            ColorLevel::Never | ColorLevel::Ansi16 => Style::new().add_modifier(Modifier::DIM),
            ColorLevel::Ansi256 | ColorLevel::Rgb => self.color(GREY),
        }
    }

    /// Look here.
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Something is not as it should be.
    pub(crate) fn warn(self) -> Style {
        self.color(ORANGE).add_modifier(Modifier::BOLD)
    }

    /// The row that keys act on.
    pub(crate) fn selected(self, focused: bool) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if focused {
            // In one colour: reversed, each of them would be a background of its own.
            style.fg(Color::Reset).remove_modifier(Modifier::DIM).add_modifier(Modifier::REVERSED)
        } else {
            style.add_modifier(Modifier::UNDERLINED)
        }
    }

    /// The title of a pane.
    pub(crate) fn title(self, focused: bool) -> Style {
        if focused { Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD) } else { self.strong() }
    }

    /// `one` unless only ASCII may be drawn.
    pub(crate) fn sign(self, one: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { one }
    }

    /// Text that is ours to draw, in ASCII if it must be.
    pub(crate) fn text(self, text: String) -> String {
        if !self.ascii || text.is_ascii() {
            return text;
        }
        text.chars()
            .map(|c| {
                if c == '…' {
                    '~'
                } else if c.is_ascii() {
                    c
                } else {
                    '?'
                }
            })
            .collect()
    }
}

/// The position of a share on the ramp.
fn heat_step(share: f64) -> usize {
    match share {
        s if s >= 0.2 => 3,
        s if s >= 0.05 => 2,
        s if s >= 0.01 => 1,
        _ => 0,
    }
}
