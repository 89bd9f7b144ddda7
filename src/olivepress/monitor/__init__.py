"""Answers in use: what an application has logged, compared with what the artifact was released for."""
