//! The flame graph: callers above, what they call below, as wide as their share.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use slowpath_profile::tables::short_path;
use slowpath_profile::text::{counted, cut_end, share_percent};
use slowpath_profile::view::CallNode;

use super::{padded, put, safe, title};
use crate::app::{App, Hit, Pane};
use crate::flame::{find, layout};
use crate::theme::Theme;

/// Draws the pane.
pub(crate) fn draw(app: &mut App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let found = matches(app);
    let rest = describe(app, &found);
    let body = title(app, Pane::Flame, area, buf, ("Flame", &rest));
    let tree = &app.snapshot.tree;
    if tree.nodes.is_empty() {
        put(buf, body, 0, " no stack was sampled", theme.faint());
        return;
    }
    let selected = find(tree, &app.flame);
    let height = body.height.saturating_sub(1);
    for cell in layout(tree, &app.zoom, body.width, height) {
        let node = &tree.nodes[cell.node as usize];
        let style = style(app, node, selected == Some(cell.node), found.binary_search(&cell.node).is_ok());
        let width = usize::from(cell.width);
        let text = match width {
            1 => theme.sign("▏", "|").to_owned(),
            width => {
                let mark = theme.sign("▏", "|");
                format!("{mark}{}", padded(theme.text(cut_end(&name(app, node), width - 1)), width - 1))
            }
        };
        let area = Rect { x: body.x + cell.x, y: body.y + cell.depth, width: cell.width, height: 1 };
        put(buf, area, 0, &text, style);
        app.hits.push((area, Hit::Row(Pane::Flame, cell.node as usize)));
    }
    let line = match selected.and_then(|node| tree.nodes.get(node as usize)) {
        Some(node) => told(app, node),
        None => " arrows walk, Enter zooms, Esc zooms out, / searches".into(),
    };
    put(buf, body, height, &line, theme.strong());
}

fn style(app: &App, node: &CallNode, is_selected: bool, is_match: bool) -> Style {
    let theme: Theme = app.theme;
    let mut style = theme.block(app.snapshot.base.share(node.own.sum()));
    if !app.search.is_empty() && !is_match {
        // What does not match is an outline.
        style = theme.faint();
    }
    if is_selected {
        // It stands out of filled blocks, and of outlines by its line.
        style = theme.strong().add_modifier(Modifier::UNDERLINED);
    }
    style
}

fn name(app: &App, node: &CallNode) -> String {
    let name = app.snapshot.names.get(&node.function).map_or("?", |(name, _)| name);
    safe(app.theme, name)
}

/// What is known of the selected frame.
fn told(app: &App, node: &CallNode) -> String {
    let share = |weight| share_percent(app.snapshot.base.share(weight));
    let file = app.snapshot.names.get(&node.function).map_or("", |(_, file)| file);
    format!(
        " {}  total {}%  self {}%  {}",
        name(app, node),
        share(node.total.sum()),
        share(node.own.sum()),
        safe(app.theme, short_path(file))
    )
}

fn describe(app: &App, found: &[u32]) -> String {
    let base = counted(app.snapshot.base.weight.sum(), "sample");
    let mut text = format!("width: total of {base}; colour: self");
    if !app.zoom.is_empty() {
        text = format!("zoomed {} deep  {text}", app.zoom.len());
    }
    if !app.search.is_empty() {
        let share = share_percent(app.snapshot.tree.share_under(found, app.snapshot.base));
        text = format!("/{}: {}, {share}%  {text}", app.search.text, counted(found.len() as u64, "frame"));
    }
    text
}

/// Frames that the search matches, in the order of the tree.
pub(crate) fn matches(app: &App) -> Vec<u32> {
    let is_match = |node: &CallNode| {
        let names = app.snapshot.names.get(&node.function);
        names.is_some_and(|(name, file)| app.search.matches(name, file))
    };
    let nodes = app.snapshot.tree.nodes.iter().enumerate();
    nodes.filter(|(_, node)| is_match(node)).map(|(at, _)| at as u32).collect()
}
