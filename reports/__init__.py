"""Pages: an audit in, one self-contained HTML file out."""
