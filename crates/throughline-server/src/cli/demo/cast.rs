//! Who takes part, and in what.

use std::sync::Arc;

use super::script::{Blanks, Script};

/// A customer of the demo's shop.
pub(super) struct Person {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) city: &'static str,
    pub(super) plan: &'static str,
}

const PEOPLE: [Person; 14] = [
    Person { id: "usr_amara", name: "Amara", city: "Rotterdam", plan: "plus" },
    Person { id: "usr_benoit", name: "Benoît", city: "Lyon", plan: "free" },
    Person { id: "usr_chiyo", name: "千代", city: "Ōsaka", plan: "plus" },
    Person { id: "usr_dmitri", name: "Dmitri", city: "Riga", plan: "free" },
    Person { id: "usr_elena", name: "Elena", city: "Sevilla", plan: "business" },
    Person { id: "usr_farid", name: "Farid", city: "Marseille", plan: "free" },
    Person { id: "usr_greta", name: "Greta", city: "Zürich", plan: "business" },
    Person { id: "usr_hugo", name: "Hugo", city: "Porto", plan: "free" },
    Person { id: "usr_ines", name: "Inês", city: "Lisboa", plan: "plus" },
    Person { id: "usr_jonas", name: "Jonas", city: "Aarhus", plan: "free" },
    Person { id: "usr_kamala", name: "Kamala", city: "Bristol", plan: "plus" },
    Person { id: "usr_luca", name: "Luca", city: "Torino", plan: "free" },
    Person { id: "usr_mei", name: "Mei", city: "Antwerp", plan: "business" },
    Person { id: "usr_nils", name: "Nils", city: "Bergen", plan: "free" },
];

const PRODUCTS: [&str; 7] =
    ["Harbour 3", "Volt City", "Fjord Light", "Gravel One", "Cargo Duo", "Kids 20", "Tour Pro"];

const CHANNELS: [&str; 3] = ["web", "mobile", "email"];

/// Where the shop's services run.
pub(super) const ENVIRONMENTS: [&str; 2] = ["production", "staging"];

/// One session's part: which script, for whom, with what in the blanks.
pub(super) struct Casting {
    pub(super) script: Arc<Script>,
    pub(super) person: &'static Person,
    pub(super) blanks: Blanks,
    pub(super) environment: &'static str,
    pub(super) channel: &'static str,
}

/// Draws a part: scripts by their weight, one session in twelve in staging.
pub(super) fn cast(scripts: &[Arc<Script>], rng: &mut fastrand::Rng) -> Option<Casting> {
    let total: u32 = scripts.iter().map(|script| script.weight).sum();
    let mut draw = rng.u32(..total.max(1));
    let script = scripts.iter().find(|script| {
        let hit = draw < script.weight;
        draw = draw.saturating_sub(script.weight);
        hit
    })?;
    let person = &PEOPLE[rng.usize(..PEOPLE.len())];
    let blanks = Blanks {
        name: person.name.to_owned(),
        city: person.city.to_owned(),
        product: PRODUCTS[rng.usize(..PRODUCTS.len())].to_owned(),
        order: rng.u32(4000..9999),
        amount: rng.u32(180..2400),
        number: rng.u32(1000..9999),
    };
    let environment = ENVIRONMENTS[usize::from(rng.u8(..12) == 0)];
    let script = script.clone();
    Some(Casting { script, person, blanks, environment, channel: CHANNELS[rng.usize(..CHANNELS.len())] })
}
