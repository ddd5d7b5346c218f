document.title = "slowpath";
