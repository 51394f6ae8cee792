//! Lines on a terminal that are drawn over themselves.

use std::io;

use console::{Term, measure_text_width};

/// The place on a terminal where the same lines are drawn again and again.
#[derive(Debug)]
pub struct Canvas {
    term: Term,
    /// Rows that were drawn last.
    drawn: usize,
}

impl Canvas {
    /// The standard output, from where its cursor is; `None` when that is no terminal, so that nothing can be taken back.
    pub fn of_stdout() -> Option<Canvas> {
        let term = Term::stdout();
        term.is_term().then_some(Canvas { term, drawn: 0 })
    }

    /// Height and width of the window, in characters; never narrower than can be used.
    pub fn size(&self) -> (usize, usize) {
        let (height, width) = self.term.size();
        (usize::from(height), usize::from(width).max(WIDTH_MIN))
    }

    /// Whether all of these lines are seen at once. What has scrolled away can't be taken back.
    pub fn holds(&self, lines: &[String]) -> bool {
        let (height, width) = self.size();
        rows(lines, width) < height
    }

    /// Draws these lines where the last ones were.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        self.term.move_cursor_up(self.drawn)?;
        // Line by line: a window that is cleared from its first row on goes into the terminal's history.
        let written: String = lines
            .iter()
            .map(|line| format!("{line}{CLEAR_TO_END_OF_LINE}\n"))
            .collect();
        self.term.write_str(&written)?;
        self.term.clear_to_end_of_screen()?;
        self.drawn = rows(lines, self.size().1);
        Ok(())
    }
}

/// The rows that lines take: one that is longer than the window goes on in the next row.
fn rows(lines: &[String], width: usize) -> usize {
    let rows = |line: &String| measure_text_width(line).div_ceil(width).max(1);
    lines.iter().map(rows).sum()
}

const CLEAR_TO_END_OF_LINE: &str = "\x1b[K";
const WIDTH_MIN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_longer_than_the_window_takes_more_rows() {
        let lines = ["", "12345", "123456"].map(str::to_owned);
        assert_eq!(rows(&lines, 5), 4);
    }
}
