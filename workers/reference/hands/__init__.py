"""The hands: what the reference worker does outside its task store, and what it refuses to do.

Rules stand apart from effects.  `grammar`, `rules`, `programs`, `git_rules` and `gates` decide, without any I/O, which
command may run; `runner` runs it.  `names` judges the name of a file; `tree` reads and writes it.  `addresses` says
where a request may go; `fetch` goes there, and `guard` sees to it that a browser goes nowhere else.  `browsers` holds
the browsers, `pages` works with one page, and what they stand on has a file each.  Above stand `tools/commands`,
`tools/files` and `tools/web`; below the standard library, httpx and Playwright.
"""
