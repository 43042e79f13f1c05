"""A folder with a contract and a pipeline, and what its code is made of. Rule: finds and loads, never runs a step."""

from mainspring.project.project import Project

__all__ = ["Project"]
