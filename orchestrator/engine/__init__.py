"""Carries decisions out: event -> step -> journal -> commands; results come back as events.

Above: `api` and `daemon` submit events.  Below: `domain` decides; ports carry out.  Nothing else changes routing.
"""
