//! `optin receipt`: the consent record of one person, from the decisions that were heard.
//!
//! Shaped after ISO/IEC TS 27560 (header, processing, parties, events). In comes what `optin why` tells
//! of the person; out comes [`Receipt`]. What a pipeline does not know is null, and named in
//! [`Receipt::not_recorded`]: nothing is made up. The same sources, pipeline and date give the same
//! bytes.
//!
//! The names of the types' fields are the names in JSON (docs/receipt.md): they stay.

use std::path::Path;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::why::{ContactLine, ContactName, Heard, Place, PurposeLine, Why, why};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::engine::Setting;
use crate::output::private_file::{refuse_over_files_of, site, write};
use crate::plan::{Gate, Model, Plan, PurposeId, hex};

/// The version of the shape, of which a change of a name or a meaning makes another.
pub const SCHEMA_VERSION: &str = "optin-receipt-1";

/// What a consent record has by the standard and no pipeline says.
const NOT_RECORDED: [&str; 13] = [
    "header.language",
    "processing.jurisdiction",
    "processing.privacy_notice",
    "processing.purposes.collection_method",
    "processing.purposes.consent_type",
    "processing.purposes.recipients",
    "processing.purposes.retention_period",
    "processing.purposes.storage_location",
    "processing.withdrawal_method",
    "parties (controller, its address and contact)",
    "events.consent_type",
    "events.entity_id",
    "events.notice_shown",
];

/// A consent receipt.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// What it is, and of whom.
    pub header: Header,
    /// What consent is for.
    pub processing: Processing,
    /// Who processes; the pipeline does not say, so nobody is named.
    pub parties: Vec<()>,
    /// All decisions that were heard, the oldest first, those without a time before others.
    pub events: Vec<Event>,
    /// What a consent record has by the standard and the pipeline does not know.
    pub not_recorded: [&'static str; 13],
}

/// What a receipt is.
#[derive(Clone, Debug, Serialize)]
pub struct Header {
    /// The version of this shape.
    pub schema_version: &'static str,
    /// The standard whose parts it follows.
    pub shaped_after: &'static str,
    /// The SHA-256 digest of all else in the receipt.
    pub receipt_id: String,
    /// The SHA-256 digest of the pipeline's name and the person: the same in all receipts of one
    /// person.
    pub record_id: String,
    /// The person: a `customer_id`; where there is no profile, a SHA-256 digest of the contact points.
    pub pii_principal_id: String,
    /// `customer_id` or `contact_points`.
    pub pii_principal_id_is: &'static str,
    /// What decisions may speak of: contact points, and records.
    pub contact_points: Vec<ContactName>,
    /// The pipeline.
    pub pipeline: String,
    /// The date as of which consent is judged.
    pub as_of: String,
    /// The language of the notice: not known.
    pub language: Option<String>,
}

/// What consent is for.
#[derive(Clone, Debug, Serialize)]
pub struct Processing {
    /// The notice that was shown: not known.
    pub privacy_notice: Option<String>,
    /// The purposes of the pipeline, in its order.
    pub purposes: Vec<PurposeEntry>,
    /// True if the person stands on a suppression list: then the events say on which.
    pub suppressed: bool,
}

/// A purpose.
#[derive(Clone, Debug, Serialize)]
pub struct PurposeEntry {
    /// Its name.
    pub purpose: String,
    /// `consent` where only who granted passes; else not known.
    pub lawful_basis: Option<&'static str>,
    /// `opt_in`: only who granted passes. `opt_out`: who never decided, too.
    pub model: &'static str,
    /// Whether the consent was given expressly: not known.
    pub consent_type: Option<&'static str>,
    /// The field through which people are contacted.
    pub via: String,
    /// The state as of the receipt's date; null where there is no profile.
    pub state: Option<&'static str>,
    /// True if somebody else is denied who shows the same contact point.
    pub denied_through_others: bool,
    /// How long a grant holds, if it ends.
    pub validity: Option<String>,
    /// When the last grant that holds will have ended, if nobody decides anew.
    pub valid_until: Option<String>,
    /// The contact points and records on which a grant holds.
    pub granted_on: Vec<ContactName>,
    /// The segments that ask for this purpose.
    pub services: Vec<Service>,
}

/// A segment that asks for a purpose.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// Its name.
    pub segment: String,
    /// True if the person is in it as of the receipt's date.
    pub in_segment: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Event {
    /// When, if the row says so: an instant, in UTC, or a day.
    pub event_time: Option<String>,
    /// `given`, `withdrawn`, `expired`, `suppressed`; `unrecognized`: a word that neither grants nor
    /// denies.
    pub event_state: &'static str,
    /// The purpose; none of a suppression.
    pub purpose: Option<String>,
    /// `yes`: it counts. `superseded`, `later`, `no_word` as in `optin why`; `other_contact_point`: it is
    /// not on what the person is contacted through.
    pub counts: &'static str,
    /// The row that says so; of `expired` the grant's.
    pub source: EventSource,
    /// What it speaks of.
    pub contact_points: Vec<ContactName>,
    /// The SHA-256 digest of all this.
    pub event_id: String,
}

/// Where an event is from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EventSource {
    /// The source.
    pub source: String,
    /// The name of the file, without its folder.
    pub file: String,
    /// The record in the file: 1 is the first after the header.
    pub record: u64,
}

/// The receipt of the one person who is asked for, as `optin why` asks.
///
/// # Errors
/// As [`why`]; nobody or several are meant.
pub fn receipt(plan: &Plan, setting: &Setting, asked: &str) -> Outcome<Receipt> {
    let why = why(plan, setting, asked, None)?;
    refuse_all_but_one(why.found.max(usize::from(!why.heard_of_nobody.is_empty())))?;
    let (principal, is, contacts) = principal(&why);
    let mut receipt = Receipt {
        header: Header {
            schema_version: SCHEMA_VERSION,
            shaped_after: "ISO/IEC TS 27560:2023",
            receipt_id: String::new(),
            record_id: digest(&("record", &why.pipeline, &principal))?,
            pii_principal_id: principal,
            pii_principal_id_is: is,
            contact_points: contacts,
            pipeline: why.pipeline.clone(),
            as_of: why.as_of.clone(),
            language: None,
        },
        processing: Processing {
            privacy_notice: None,
            purposes: purposes(plan, &why),
            suppressed: heard(&why).any(|(heard, _)| heard.says == "suppressed"),
        },
        parties: Vec::new(),
        events: events(&why)?,
        not_recorded: NOT_RECORDED,
    };
    receipt.header.receipt_id = digest(&("receipt", &receipt))?;
    Ok(receipt)
}

/// Refuses a question that nobody or more than one meets.
///
/// # Errors
/// It is so.
pub fn refuse_all_but_one(found: usize) -> Outcome<()> {
    let (message, help) = match found {
        1 => return Ok(()),
        0 => (
            "no record, no decision and no suppression list has what is asked for".to_owned(),
            "ask by another contact point, `customer_id` or the id of a customer table",
        ),
        _ => (
            format!("{found} customers have what is asked for"),
            "ask for one of them; `optin why` with the same question tells which they are",
        ),
    };
    Err(Diagnostic::error(Code::NotOnePerson, message).help(help).into())
}

impl Receipt {
    /// The receipt as JSON, in the order of its parts.
    ///
    /// # Errors
    /// None that is known.
    pub fn json(&self) -> Outcome<String> {
        let text = serde_json::to_string_pretty(self).map_err(|_| no_json())?;
        Ok(text + "\n")
    }

    /// Writes the receipt to a file that its owner alone may read.
    ///
    /// # Errors
    /// A file that the pipeline reads or writes; one that cannot be written.
    pub fn write(&self, file: &Path, plan: &Plan, pipeline: &Path) -> Outcome<()> {
        if file.extension().is_none_or(|end| end != "json") {
            return Err(Diagnostic::error(Code::OutputPath, "a receipt is JSON")
                .in_file(site(file))
                .help("write to a path that ends in .json")
                .into());
        }
        refuse_over_files_of(file, plan, pipeline)?;
        let text = self.json()?;
        write(file, |out| std::io::Write::write_all(out, text.as_bytes()))
    }
}

fn no_json() -> Diagnostic {
    Diagnostic::error(Code::EngineFault, "the receipt is no JSON").help("please report it")
}

fn digest(of: &impl Serialize) -> Outcome<String> {
    let bytes = serde_json::to_vec(of).map_err(|_| no_json())?;
    Ok(hex(&Sha256::digest(&bytes)))
}

/// Whom the receipt is of, what names him, and his contact points and records, sorted.
fn principal(why: &Why) -> (String, &'static str, Vec<ContactName>) {
    let mut contacts: Vec<ContactName> = heard(why).map(|(of, _)| of.contact.clone()).collect();
    if let Some(person) = &why.customer {
        let lines = person.purposes.iter().flat_map(|purpose| &purpose.contacts);
        contacts.extend(lines.map(|line| line.contact.clone()));
    }
    contacts.sort();
    contacts.dedup();
    let id = why.customer.as_ref().and_then(|person| person.customer_id.clone());
    if let Some(id) = id {
        return (id, "customer_id", contacts);
    }
    let mut words: Vec<String> = match &why.customer {
        Some(person) => person
            .records
            .iter()
            .flat_map(|record| record.values.iter().filter(|value| value.compared))
            .filter_map(|value| Some(format!("{}={}", value.field, value.key.as_ref()?)))
            .collect(),
        None => vec![why.asked.clone()],
    };
    words.sort();
    words.dedup();
    (hex(&Sha256::digest(words.join("\n").as_bytes())), "contact_points", contacts)
}

/// All that was heard, with the line of its contact point, if it stands below one.
fn heard(why: &Why) -> impl Iterator<Item = (&Heard, Option<&ContactLine>)> {
    let person = why.customer.iter();
    let lines = person.clone().flat_map(|person| &person.purposes).flat_map(|of| &of.contacts);
    let decisions = lines.flat_map(|line| line.decisions.iter().map(move |of| (of, Some(line))));
    let listed = person.flat_map(|person| &person.suppressed_by);
    decisions.chain(listed.chain(&why.heard_of_nobody).map(|of| (of, None)))
}

fn purposes(plan: &Plan, why: &Why) -> Vec<PurposeEntry> {
    let all = plan.consent.purposes.iter().enumerate();
    all.map(|(at, declared)| {
        let person = why.customer.as_ref();
        let line = person.and_then(|of| of.purposes.iter().find(|p| p.purpose == declared.name));
        let opt_in = declared.model == Model::OptIn;
        let granted = line.map(granted).unwrap_or_default();
        let holds = line.is_some_and(|line| line.state == Some("granted"));
        PurposeEntry {
            purpose: declared.name.clone(),
            lawful_basis: opt_in.then_some("consent"),
            model: if opt_in { "opt_in" } else { "opt_out" },
            consent_type: None,
            via: plan.fields[declared.via.0].name.clone(),
            state: line.and_then(|line| line.state),
            denied_through_others: line.is_some_and(|line| line.denied_through_others),
            validity: declared.expires_after.map(|period| period.to_string()),
            valid_until: granted
                .iter()
                .filter(|_| holds)
                .filter_map(|(_, ends)| ends.clone())
                .max(),
            granted_on: granted.into_iter().map(|(contact, _)| contact).collect(),
            services: services(plan, why, PurposeId(at)),
        }
    })
    .collect()
}

/// On what grants hold, and when the last on each ends.
fn granted(line: &PurposeLine) -> Vec<(ContactName, Option<String>)> {
    let lines = line.contacts.iter();
    let lines = lines.filter(|line| line.counts == "all" && line.comes_to == "granted");
    let ends = |line: &ContactLine| {
        let grants = line.decisions.iter().filter(|of| of.says == "granted" && of.counts == "yes");
        grants.filter_map(|of| of.ends.clone()).max()
    };
    lines.map(|line| (line.contact.clone(), ends(line))).collect()
}

fn services(plan: &Plan, why: &Why, purpose: PurposeId) -> Vec<Service> {
    let asks = |gate: &Gate| gate.purposes().contains(&purpose);
    let segments = plan.segments.iter().filter(|segment| asks(&segment.gate));
    let is_in = |name: &str| {
        let person = why.customer.iter().flat_map(|person| &person.segments);
        person.into_iter().any(|of| of.segment == name && of.verdict == "in_segment")
    };
    segments
        .map(|segment| Service { segment: segment.name.clone(), in_segment: is_in(&segment.name) })
        .collect()
}

/// What happened, a row and purpose once, however many contact points it reaches.
fn events(why: &Why) -> Outcome<Vec<Event>> {
    // Instants end in `Z`, before which they sort as texts.
    let time = |text: &str| text.trim_end_matches('Z').to_owned();
    let mut events: Vec<Event> = Vec::new();
    for (heard, line) in heard(why) {
        let counts = match line {
            Some(line) if heard.counts == "yes" => match (line.counts, heard.says) {
                ("all", _) | ("denials", "denied") => "yes",
                _ => "other_contact_point",
            },
            _ => heard.counts,
        };
        let event = |at: &Option<String>, state: &'static str| Event {
            event_time: at.clone(),
            event_state: state,
            purpose: heard.purpose.clone(),
            counts,
            source: source(&heard.place),
            contact_points: vec![heard.contact.clone()],
            event_id: String::new(),
        };
        events.push(event(
            &heard.at,
            match heard.says {
                "granted" => "given",
                "denied" => "withdrawn",
                other => other,
            },
        ));
        let ended = heard.ends.as_ref().is_some_and(|ends| time(ends) <= time(&why.as_of));
        if ended && heard.says == "granted" && counts == "yes" {
            events.push(event(&heard.ends, "expired"));
        }
    }
    let key = |of: &Event| {
        let at = of.event_time.as_deref().map(time);
        (at, of.source.clone(), of.purpose.clone(), of.event_state)
    };
    events.sort_by_cached_key(|of| (key(of), of.counts != "yes", of.contact_points.clone()));
    let mut folded: Vec<Event> = Vec::new();
    for event in events {
        match folded.last_mut() {
            // Of several contact points the one on which it counts says so.
            Some(last) if key(last) == key(&event) => {
                last.contact_points.extend(event.contact_points);
                last.contact_points.sort();
                last.contact_points.dedup();
            }
            _ => folded.push(event),
        }
    }
    for event in &mut folded {
        event.event_id = digest(&("event", &event))?;
    }
    Ok(folded)
}

fn source(place: &Place) -> EventSource {
    let file = place.file.file_name().map(|name| name.to_string_lossy().into_owned());
    EventSource { source: place.source.clone(), file: file.unwrap_or_default(), record: place.row }
}
