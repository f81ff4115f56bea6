"""The site: `python -m reference site` makes it from the documents, the source and the registry.

1. `documents.py` copies every document into `build/docs`, the pages that `mkdocs.yml` names. What GitHub shows but a site generator would
   not understand is rewritten: links to source files, headings' anchors, lists.
2. `code.py` makes a page of every source file that is linked to, directly or through a folder; `api.py` one of every public module;
   `formulas.py` typesets the page of derivatives with KaTeX, which npm fetches.
3. Zensical or MkDocs turns `build/docs` into `site`. Both read the same `mkdocs.yml`, and both must build it without a warning.
4. `links.py` follows every link in the pages that came out, and every anchor.

The pages ask nothing of other servers: no font, script or picture comes from elsewhere.
"""
