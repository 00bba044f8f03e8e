"""The `docker` plugin: `docker:index/image:Image`, built as an archive where there is no Docker to build with.

The build context is packed as the Dockerfile says and pushed to the registry; `RUN` lines are not executed and the
base image's files are not included, so such an image only runs where something else brings its interpreter and
packages: the emulator's `process` runtime.
"""
