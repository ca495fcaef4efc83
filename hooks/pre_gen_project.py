"""Refuse, before a file is written, the answers that would break the project later."""

import json
import keyword
import re
import sys
import unicodedata

answers = json.loads(r"""{{ cookiecutter | tojson }}""")
TAKEN = {*answers["_taken"], *keyword.kwlist, *sys.stdlib_module_names}


def suggestion(name: str, joint: str) -> str:
    """The nearest name that is allowed."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    name = joint.join(re.findall("[a-z0-9]+", re.sub("^[^a-z]+", "", plain)))[:40].rstrip(joint) or f"my{joint}model"
    return f"{name}{joint}model" if name.replace("-", "_") in TAKEN else name


wrong = []
for name, joint, joints in (("project", "-", "-_."), ("package", "_", "_")):
    value = answers[name]
    is_malformed = not re.fullmatch(f"[a-z][a-z0-9]*([{joints}][a-z0-9]+)*", value) or len(value) > 40
    if is_malformed or re.sub("[-.]", "_", value) in TAKEN:
        rule = f"must be lower-case letters and digits, 40 at most, a letter first, in parts joined by a single {joint}"
        why = rule if is_malformed else "is taken by Python, the project or one of its dependencies"
        if not wrong or value != re.sub("[-.]", "_", answers["project"].lower()):  # it follows from the project's name
            wrong.append(f"{name} {value!r} {why}: type {suggestion(value, joint)!r} instead.")
if not re.fullmatch(r"[\w.!#$%&*+/=?^`|~-]+@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+", answers["email"], re.ASCII):
    wrong.append(f"email {answers['email']!r} is no address: type one like 'you@example.com' instead.")
for name in ("description", "author"):
    kinds = {unicodedata.category(letter) for letter in answers[name]}
    if kinds & {"Cc", "Cs", "Zl", "Zp"} or kinds <= {"Zs"} or re.search("[{][#%{]", answers[name]):
        wrong.append(
            f"{name} {answers[name]!r} must be one line of text, not blank, without a brace before another, a % or a #."
        )
sys.exit("\n".join(wrong) or 0)
