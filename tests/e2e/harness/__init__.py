"""What end-to-end tests share: real servers, the program under test, and readers of its output."""
