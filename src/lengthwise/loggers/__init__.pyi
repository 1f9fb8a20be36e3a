from ._base import AbstractLogger as AbstractLogger
