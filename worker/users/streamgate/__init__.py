"""The users of StreamGate, a service that takes in media and streams them: `users` has the classes, `base` what they share.

What a user does is in an activity, which a class has one or several of: `uploads`, `playback`, `library`, `hot_reads` and `sign_ins`.
The other modules need no Locust: `answer` (what a check sees), `tus` (resumable uploads), `playlist` (HLS), `content` (checks of
what is read), `sample_files`, `popularity` and `replies`.
"""
