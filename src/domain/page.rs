//! Which part of a list is wanted.

/// `skip` entries are passed over, then at most `count` are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub skip: u64,
    pub count: u64,
}

impl Page {
    pub const DEFAULT: Self = Self {
        skip: 0,
        count: 100,
    };

    /// The positions of a list of `total` entries that lie on this page.
    pub fn range(self, total: usize) -> std::ops::Range<usize> {
        let clamp = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(total);
        let start = clamp(self.skip);
        start..clamp(self.skip.saturating_add(self.count)).max(start)
    }

    /// The page after this one, where `total` entries leave one. A page of no entries has none:
    /// following it would never end.
    pub fn next(self, total: usize) -> Option<Self> {
        let skip = self.skip.checked_add(self.count)?;
        (self.count > 0 && skip < total as u64).then_some(Self {
            skip,
            count: self.count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_a_list_once_and_end() {
        let mut seen = 0;
        let mut page = Some(Page { skip: 0, count: 3 });
        while let Some(current) = page {
            seen += current.range(7).len();
            page = current.next(7);
        }
        assert_eq!(seen, 7);
    }

    #[test]
    fn extremes_neither_overflow_nor_loop() {
        let huge = Page {
            skip: u64::MAX,
            count: u64::MAX,
        };
        assert_eq!(huge.range(5), 5..5);
        assert_eq!(huge.next(5), None);
        assert_eq!(Page { skip: 0, count: 0 }.next(5), None);
        assert_eq!(
            Page {
                skip: 2,
                count: u64::MAX
            }
            .range(5),
            2..5
        );
    }
}
