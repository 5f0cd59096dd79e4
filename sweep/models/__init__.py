"""Builders: functions from a configuration to a keras.Model, looked up in a plain dict."""
