"""What every domain's handlers share: endpoints, routing, bodies, errors, the API's description and its counts."""
