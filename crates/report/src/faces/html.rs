//! One self-contained HTML file that can be sent to a client: no script, nothing from elsewhere.

use askama::Template;
use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use crate::ReportError;
use crate::options::Options;
use crate::present::{self, LedgerRow, Page};
use crate::view::Report;

const CSS: &str = include_str!("../../templates/report.css");

#[derive(Template)]
#[template(path = "report.html")]
struct Document<'a> {
    page: &'a Page,
    css: &'static str,
    /// What a browser may load: this style, and nothing else.
    policy: String,
}

impl Document<'_> {
    fn t(&self, id: &str) -> String {
        self.page.texts.text(id)
    }

    fn by_when(&self, when: &str) -> String {
        self.page.texts.with("by-when", &[("when", when.to_owned().into())])
    }

    fn lang(&self) -> &'static str {
        self.page.texts.lang().code()
    }

    /// The ledger with an account's regions in one line where they have the same state: an account has 17 and more.
    fn ledger(&self) -> Vec<LedgerRow> {
        let mut lines: Vec<LedgerRow> = Vec::new();
        for row in &self.page.ledger {
            let same = |line: &&mut LedgerRow| {
                line.account == row.account
                    && line.client == row.client
                    && line.via == row.via
                    && line.state == row.state
                    && line.details.is_empty()
                    && row.details.is_empty()
            };
            if let Some(line) = lines.iter_mut().rev().take(8).find(same) {
                line.region.push_str(", ");
                line.region.push_str(&row.region);
                line.instances += row.instances;
            } else {
                lines.push(row.clone());
            }
        }
        lines
    }
}

/// The report as HTML.
///
/// # Errors
/// If the template refuses.
pub fn render(report: &Report<'_>, options: &Options) -> Result<Vec<u8>, ReportError> {
    let page = present::page(report, options);
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(CSS.as_bytes()));
    let document = Document {
        page: &page,
        css: CSS,
        policy: format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"),
    };
    Ok(document.render()?.into_bytes())
}
