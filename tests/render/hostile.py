"""Answers that break careless templates."""

TEXT = (
    r"""He said "it's \n fine" # {{ x }} {{{ y }}} {% z %} {## c ##} ${{ a }} $x *b* _c_ [d](e)"""
    " <f> & `g` | ~h~ Zoë 日本 \U0001f680 \U0001f469\u200d\U0001f52c \\"
)
ANSWERS = {
    "project_name": "{{{cookiecutter.project_slug}}}" + TEXT,
    "project_slug": "hostile",
    "package_name": "hostile",
    "description": "- " + TEXT + " long" * 80,
    "author_name": TEXT,
    "author_email": "o'neil+{{{x}}}@example.com",
}
