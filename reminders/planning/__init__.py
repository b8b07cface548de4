"""Who is told, and when: rules, working days, subscribers, plans. Pure."""
