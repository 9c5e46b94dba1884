//! Text on the VGA screen.
//!
//! In text mode the screen is 25 rows of 80 cells at physical address 0xb8000, each cell a character of code page 437
//! and an attribute byte (IBM VGA; <https://wiki.osdev.org/Text_UI>).

/// Physical address of the text cells.
pub const ADDRESS: u64 = 0xb8000;
/// Size of one screen of text cells, in bytes.
pub const SIZE: usize = COLUMNS * ROWS * 2;

const COLUMNS: usize = 80;
const ROWS: usize = 25;

/// The rows of the screen without trailing blanks; empty rows are left out.
///
/// In graphics mode the bytes mean nothing. Rows with anything that is neither printable ASCII nor a character of the
/// box drawing kind are dropped, which leaves nothing of a picture.
pub fn rows(cells: &[u8]) -> Vec<String> {
    cells.chunks(COLUMNS * 2).take(ROWS).filter_map(row).collect()
}

fn row(cells: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(COLUMNS);
    for cell in cells.chunks_exact(2) {
        match cell[0] {
            0 => text.push(' '),
            byte @ 0x20..=0x7e => text.push(char::from(byte)),
            // Arrows and frames of boot menus.
            0x10..=0x1f | 0xb0..=0xdf => text.push('.'),
            _ => return None,
        }
    }
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(lines: &[&str]) -> Vec<u8> {
        let mut cells = vec![0; SIZE];
        for (row, line) in lines.iter().enumerate() {
            for (column, byte) in line.bytes().enumerate() {
                cells[(row * COLUMNS + column) * 2] = byte;
                cells[(row * COLUMNS + column) * 2 + 1] = 7;
            }
        }
        cells
    }

    #[test]
    fn text_is_read_row_by_row() {
        let screen = cells(&[
            "SeaBIOS (version 1.16.2)",
            "",
            "Booting from Hard Disk...",
            "GRUB loading.",
        ]);
        assert_eq!(
            rows(&screen),
            ["SeaBIOS (version 1.16.2)", "Booting from Hard Disk...", "GRUB loading."]
        );
    }

    #[test]
    fn frames_of_menus_do_not_hide_the_row() {
        let mut screen = cells(&["xDebian"]);
        screen[0] = 0xb3;
        assert_eq!(rows(&screen), [".Debian"]);
    }

    #[test]
    fn pictures_and_short_reads_give_nothing() {
        assert!(rows(&vec![0xff; SIZE]).is_empty());
        assert!(rows(&vec![0; SIZE]).is_empty());
        assert!(rows(&[0x41]).is_empty());
    }
}
