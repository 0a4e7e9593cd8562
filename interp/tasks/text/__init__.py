"""What a language model is asked in words: to copy a text, look up a number, find a passkey, answer a question.

A text task writes `Prompt`s with a tokenizer (`Writer`); `sample` lays them out as a `Batch` whose `source` says where
each token of an answer is copied from. Lengths are in tokens, exactly, or in entries where a task says so.
"""

from interp.tasks.text.base import TextTask as TextTask
from interp.tasks.text.copying import TextAgain as TextAgain
from interp.tasks.text.copying import TextCopy as TextCopy
from interp.tasks.text.corpus import Corpus as Corpus
from interp.tasks.text.lookup import Lookup as Lookup
from interp.tasks.text.lookup import key_values as key_values
from interp.tasks.text.lookup import phone_book as phone_book
from interp.tasks.text.passkey import TextPasskey as TextPasskey
from interp.tasks.text.prompts import Prompt as Prompt
from interp.tasks.text.prompts import Writer as Writer
from interp.tasks.text.questions import Questions as Questions
from interp.tasks.text.strings import TextStrings as TextStrings
from interp.tasks.text.strings import text_strings as text_strings
