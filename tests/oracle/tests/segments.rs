//! Suppressions, verdicts and set operations (sections 9 and 10).

use super::ask;

#[test]
fn suppression_binds_its_channels_and_who_shares_an_address() {
    let suppressed = |channels: &str, segment: &str, blocked: &str| {
        let yaml = format!(
            "
as_of: 2026-11-24T00:00:00Z
keys: [{{ field: email, normalize: email }}, {{ field: phone, normalize: phone }}]
customers: [{{ source: contacts, id: id, fields: {{ email: mail, phone: tel }} }}]
consent:
  purposes: [{{ name: p, via: email, model: opt_out }}]
  suppress: [{{ source: blocked, match: {{ email: mail, phone: tel }}{channels} }}]
segments: [{segment}]
exports: [{{ segment: s, path: out.csv, columns: [customer_id, email] }}]
"
        );
        let contacts = "id,mail,tel\n1,a@x.de,+493012345678\n2,a@x.de,\n3,c@x.de,\n4,,\n";
        let blocked = format!("mail,tel\n{blocked}");
        let answer = ask(&yaml, &[("contacts", contacts), ("blocked", &blocked)]);
        answer.verdicts[0].1["suppressed"]
    };
    let gated = "{ name: s, consent: [p] }";
    let open = "{ name: s, consent: none, because: contract }";
    // 1 is hit through its phone, and 2 shows the same mail.
    assert_eq!(suppressed("", gated, ",+49 30 12345678\n"), 2);
    assert_eq!(suppressed("", open, ",+49 30 12345678\n"), 2);
    assert_eq!(suppressed(", channels: [email]", gated, ",+49 30 12345678\n"), 2);
    assert_eq!(suppressed(", channels: [phone]", gated, ",+49 30 12345678\n"), 0);
    assert_eq!(suppressed(", channels: [phone]", open, ",+49 30 12345678\n"), 0);
    assert_eq!(suppressed("", gated, "c+x@x.de,\n"), 1);
}

#[test]
fn the_first_verdict_that_applies_is_given() {
    let yaml = "
as_of: 2026-11-24T00:00:00Z
keys: [{ field: email, normalize: email }]
customers: [{ source: contacts, id: id, fields: { email: mail, points: points } }]
consent:
  purposes:
    - { name: p, via: email, model: opt_in, expires_after: 1 year }
    - { name: q, via: email, model: opt_out }
  tables: [{ source: t, match: { email: mail }, values: { p: p, q: q }, at: at }]
  suppress: [{ source: blocked, match: { email: mail } }]
segments:
  - { name: both, consent: [p, q], where: points > 10, except: [some] }
  - { name: some, consent: [q], where: mail_is OR consent.p }
";
    let yaml = yaml.replace("mail_is", "email LIKE 'in2%'");
    let contacts = "#types: { points: int }\nid,mail,points\n1,blocked@x.de,1\n2,denied@x.de,1\n\
                    3,old@x.de,1\n4,new@x.de,\n5,,\n6,low@x.de,1\n7,null@x.de,\n8,in1@x.de,11\n\
                    9,in2@x.de,11\n";
    let decisions = "#types: { at: date }\nmail,p,q,at\nblocked@x.de,no,no,2026-01-01\n\
                     denied@x.de,yes,no,2026-01-01\nold@x.de,yes,,2020-01-01\n\
                     low@x.de,yes,,2026-01-01\nnull@x.de,yes,,2026-01-01\n\
                     in1@x.de,yes,,2026-01-01\nin2@x.de,yes,yes,2026-01-01\n";
    let sources = [("contacts", contacts), ("t", decisions), ("blocked", "mail\nblocked@x.de\n")];
    let answer = ask(&yaml, &sources);
    let verdict = |segment: usize, mail: &str| {
        let at = answer
            .profiles
            .iter()
            .position(|profile| profile.fields[0].as_deref().unwrap_or_default() == mail);
        answer.verdict_rows[segment].1[at.expect("the profile")]
    };
    assert_eq!(verdict(0, "blocked@x.de"), "suppressed");
    assert_eq!(verdict(0, "denied@x.de"), "denied");
    assert_eq!(verdict(0, "old@x.de"), "expired");
    assert_eq!(verdict(0, "new@x.de"), "unknown", "p asks for consent");
    assert_eq!(verdict(0, ""), "no_contact_point");
    assert_eq!(verdict(0, "low@x.de"), "rule_false");
    assert_eq!(verdict(0, "null@x.de"), "rule_unknown");
    assert_eq!(verdict(0, "in2@x.de"), "set_operation", "it is in `some`");
    assert_eq!(verdict(1, "in2@x.de"), "in_segment");
    assert_eq!(verdict(1, "new@x.de"), "rule_false", "q lets it pass, consent.p does not");
    assert_eq!(verdict(1, ""), "no_contact_point");
    for (_, counts) in &answer.verdicts {
        assert_eq!(counts.values().sum::<u64>(), 9);
    }
}
