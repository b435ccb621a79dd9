//! Column heads that sort a list.

use super::address::Address;
use super::list_place;
use crate::domain::query::{Sort, SortField};

/// A column's head.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub name: &'static str,
    pub class: &'static str,
    /// Where a click leads; nowhere if the list cannot be sorted by it.
    pub href: Option<String>,
    /// `ascending` or `descending`.
    pub sorted: Option<&'static str>,
}

/// Name, class and what it sorts by.
pub(super) type Heading = (&'static str, &'static str, Option<SortField>);

/// The heads of a list in this order; `usual` is the order that needs no parameter.
pub(super) fn columns(headings: &[Heading], sort: Sort, usual: Sort, address: &Address) -> Vec<Column> {
    let head = |&(name, class, by): &Heading| {
        let sorted = by == Some(sort.by);
        let href = by.map(|by| {
            // A second click turns the order round; the first shows the most first.
            let wanted = Sort { by, descending: !(sorted && sort.descending) };
            let text = if wanted == usual { String::new() } else { list_place::write_sort(wanted) };
            address.clone().with("sort", text).to_string()
        });
        let direction = if sort.descending { "descending" } else { "ascending" };
        Column { name, class, href, sorted: sorted.then_some(direction) }
    };
    headings.iter().map(head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_click_on_a_column_turns_the_order_round() {
        let address = Address::page("/sessions").with("filter", "x");
        let usual = Sort { by: SortField::EndTime, descending: true };
        let headings = [("Cost", "", Some(SortField::TotalCost)), ("When", "", Some(SortField::EndTime))];
        let hrefs =
            |sort| columns(&headings, sort, usual, &address).into_iter().filter_map(|column| column.href);
        assert!(hrefs(usual).eq(["/sessions?filter=x&sort=-totalCost", "/sessions?filter=x&sort=endTime"]));
        let by_cost = Sort { by: SortField::TotalCost, descending: true };
        assert!(hrefs(by_cost).eq(["/sessions?filter=x&sort=totalCost", "/sessions?filter=x"]));
    }
}
