"""What a run leaves for people and for CI: result.json, report.html, junit.xml. All of it from run.db and the verdict."""
