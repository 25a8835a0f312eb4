"""The one-machine stack: embedded servers, supervisor, gateway fakes and the ``lastro`` CLI."""
