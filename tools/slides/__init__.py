"""Decks from saved notebooks: `lessons` finds cells, `render` turns them into HTML, `outline` and
`automatic` put slides in order, `page` makes one self-contained file. No code of a lesson runs."""
